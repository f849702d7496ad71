/* Creates the legacy devices and answers the ports that only need to exist. */
#include "guests/launch/chipset.h"

#include "guests/devices/i8042.h"
#include "guests/devices/pm.h"
#include "guests/devices/pvpanic.h"
#include "guests/devices/reset.h"
#include "guests/devices/rtc.h"
#include "guests/devices/testdev.h"
#include "guests/devices/watchdog.h"
#include "guests/pci/pci.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/vmm/board.h"

#define POST_PORT  0x80 /* power-on self-test codes; written to for its delay */
#define DELAY_PORT 0xed /* Linux's other port for that */

struct chipset {
	struct uart *com1, *com2;
	struct rtc *rtc;
	struct i8042 *kbc;
	struct pm *pm;
	struct pvpanic *pvpanic;
	struct watchdog *watchdog; /* NULL unless asked for */
	struct reset *reset;
	struct pci_root *pci;
	struct testdev *testdev; /* NULL unless asked for */
};

static void ignore_access(void *device, struct bus_access *access)
{
	(void)device;
	if (!access->write)
		access->value = BIT(8 * access->bytes) - 1;
}

struct chipset *chipset_create(const struct board *board, const struct chipset_params *params)
{
	struct chipset *chipset = heap_zalloc(sizeof(*chipset), board->account);

	if (!chipset)
		goto fail;
	if (!(chipset->com1 =
		      uart_create(board, UART_COM1_PORT, UART_COM1_GSI, &params->console)) ||
	    !(chipset->com2 = uart_create(board, UART_COM2_PORT, UART_COM2_GSI, NULL)) ||
	    !(chipset->rtc = rtc_create(board)) || !(chipset->kbc = i8042_create(board)) ||
	    !(chipset->pm = pm_create(board)) || !(chipset->pvpanic = pvpanic_create(board)) ||
	    !(chipset->reset = reset_create(board)) ||
	    !(chipset->pci = pci_root_create(board, reset_control_access, chipset->reset)))
		goto fail;
	if (params->watchdog &&
	    !(chipset->watchdog = watchdog_create(board, params->watchdog_fired)))
		goto fail;
	if (params->debug_exit && !(chipset->testdev = testdev_create(board)))
		goto fail;
	if (bus_add(board->pio, POST_PORT, 1, ignore_access, NULL, "port 0x80") ||
	    bus_add(board->pio, DELAY_PORT, 1, ignore_access, NULL, "port 0xed"))
		goto fail;
	return chipset;
fail:
	log_error(board->name,
		  "the chipset could not be created: out of memory, or of bus ranges");
	chipset_destroy(chipset);
	return NULL;
}

void chipset_destroy(struct chipset *chipset)
{
	if (!chipset)
		return;
	testdev_destroy(chipset->testdev);
	pci_root_destroy(chipset->pci);
	reset_destroy(chipset->reset);
	watchdog_destroy(chipset->watchdog);
	pvpanic_destroy(chipset->pvpanic);
	pm_destroy(chipset->pm);
	i8042_destroy(chipset->kbc);
	rtc_destroy(chipset->rtc);
	uart_destroy(chipset->com2);
	uart_destroy(chipset->com1);
	heap_free(chipset);
}

struct uart *chipset_console(struct chipset *chipset)
{
	return chipset->com1;
}

struct pm *chipset_pm(struct chipset *chipset)
{
	return chipset->pm;
}

struct pci_root *chipset_pci(struct chipset *chipset)
{
	return chipset->pci;
}

struct pvpanic *chipset_pvpanic(struct chipset *chipset)
{
	return chipset->pvpanic;
}

struct watchdog *chipset_watchdog(struct chipset *chipset)
{
	return chipset->watchdog;
}
