/*
 * The composition root: the whole start-up in order, and the one place that knows every part.
 * What a part does, and why it must come after another, is said in that part.
 */
#include <errno.h>

#include "boot/handoff.h"
#include "drivers/block/ahci/ahci.h"
#include "drivers/block/ide.h"
#include "drivers/block/nvme/nvme.h"
#include "drivers/block/queue.h"
#include "drivers/block/virtio_blk.h"
#include "drivers/bus/hpet.h"
#include "drivers/bus/pci.h"
#include "drivers/bus/serial.h"
#include "drivers/net/e1000.h"
#include "drivers/net/virtio_net.h"
#include "drivers/volume/lvm/manage.h"
#include "drivers/volume/sources.h"
#include "guests/actions/power.h"
#include "guests/console/mux.h"
#include "guests/document.h"
#include "guests/events/event.h"
#include "guests/guest/guest.h"
#include "guests/guest/watch.h"
#include "kernel/cpu/apic.h"
#include "kernel/cpu/clock.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/random.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/traps.h"
#include "kernel/io/acpi.h"
#include "kernel/io/came_up.h"
#include "kernel/io/files.h"
#include "kernel/io/irq.h"
#include "kernel/io/look.h"
#include "kernel/io/rtc.h"
#include "kernel/io/storage.h"
#include "kernel/lib/plural.h"
#include "kernel/lib/version.h"
#include "kernel/log/blackbox.h"
#include "kernel/log/fbcon.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"
#include "kernel/mem/hostmap.h"
#include "kernel/sched/thread.h"
#include "kernel/vmm/backend.h"
#include "kernel/vmm/svm/backend.h"
#include "kernel/vmm/vmm.h"
#include "kernel/vmm/vmx/backend.h"
#include "net/switch/switch.h"

#define SETTLED_NS (30 * NSEC_PER_SEC)

noreturn void kernel_main(const struct handoff *boot);

static void start_log(void)
{
	struct serial *ports[] = {&serial_com1, &serial_com2};

	log_info("boot", "Bulkhead %s", version_text);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		if (serial_init(ports[i]) == 0)
			log_attach(&ports[i]->sink);
}

static void start_screen(const struct handoff_framebuffer *fb)
{
	void *pixels =
		fb->format ? vmap(fb->base, fb->bytes, PT_READ | PT_WRITE | PT_WRITE_COMBINING)
			   : NULL;

	if (pixels && fbcon_init(fb, pixels) == 0)
		log_attach(&fbcon_sink);
}

/* What the run before a reset said, and a place for what this one says. */
static void start_blackbox(uint64_t phys)
{
	void *memory =
		phys ? vmap(phys, BLACKBOX_BYTES, PT_READ | PT_WRITE | PT_UNCACHED) : NULL;
	const char *text;
	bool damaged;

	_Static_assert(BLACKBOX_BYTES == HANDOFF_KEPT_BYTES, "it is all of it");
	if (!memory) {
		log_warn("log",
			 "no memory outlives a reset here: what this run says is lost then");
		return;
	}
	blackbox_start(memory);
	if (blackbox_previous(&text, &damaged))
		log_info("log",
			 "the run before the reset left %sits log: `log previous` shows it",
			 damaged ? "a part of " : "");
	else
		log_info("log", "no log of a run before: power came just now, or this machine "
				"clears its memory at a reset");
}

static void check_handoff(const struct handoff *boot)
{
	if (boot->magic != HANDOFF_MAGIC)
		panic("started by something that is not Bulkhead's boot application");
	if (boot->version != HANDOFF_VERSION || boot->size_bytes != sizeof(*boot))
		panic("the boot application hands over version %u of %u bytes, this kernel "
		      "takes "
		      "version %u of %zu bytes: install both from one build",
		      boot->version, boot->size_bytes, HANDOFF_VERSION, sizeof(*boot));
}

/* The stacks that a CPU switches to by itself. */
static int give_stacks(struct cpu *cpu)
{
	for (unsigned i = 0; i < CPU_IST_COUNT; i++) {
		cpu->ist_top[i] = stack_alloc(CPU_IST_BYTES, NULL);
		if (!cpu->ist_top[i])
			return -ENOMEM;
	}
	return 0;
}

static struct cpu *create_cpu(void)
{
	struct cpu *cpu = heap_zalloc(sizeof(*cpu), NULL);

	if (!cpu || give_stacks(cpu))
		return NULL;
	cpu->stack_top = stack_alloc(CPU_STACK_BYTES, NULL);
	return cpu->stack_top ? cpu : NULL;
}

static void start_clock(uint64_t tsc_boot_entry)
{
	struct clock_reference refs[2];
	unsigned count = 0;
	uint64_t seconds;

	if (hpet_reference(acpi_machine.hpet_phys, &refs[count]) == 0)
		count++;
	if (acpi_pm_timer(&refs[count]) == 0)
		count++;
	if (clock_calibrate(refs, count, tsc_boot_entry))
		panic("this machine has no timer that can be used");
	if (rtc_read(&seconds) == 0)
		clock_set_wall(seconds * NSEC_PER_SEC);
	else
		log_warn("clock", "the real-time clock holds no date: set it in the firmware");
}

static void start_apic(void)
{
	void *registers =
		vmap(apic_registers_phys(), PAGE_BYTES, PT_READ | PT_WRITE | PT_UNCACHED);

	if (!registers)
		panic("no memory to map the local APIC");
	apic_init(registers);
	apic_init_this_cpu();
	apic_timer_calibrate();
	irq_init();
}

/* Every CPU ends here, CPU 0 too, and runs threads from then on. */
static noreturn void run_cpu(void)
{
	if (vmm_backend && vmm_init_this_cpu())
		log_error("vmm", "CPU %u runs no guests", cpu_this()->index);
	sched_run_this_cpu();
}

static void start_cpus(uint64_t trampoline_phys)
{
	void *trampoline = vmap(trampoline_phys, HANDOFF_TRAMPOLINE_BYTES, PT_READ | PT_WRITE);
	const struct smp_plan plan = {
		.apic_ids = acpi_machine.apic_ids,
		.count = acpi_machine.cpu_count,
		.trampoline_phys = trampoline_phys,
		.trampoline = trampoline,
		.pml4 = directmap(hostmap_root()),
		.create = create_cpu,
		.mem_init_this_cpu = mem_init_this_cpu,
		.entry = run_cpu,
	};

	if (!trampoline)
		panic("no memory to start the other CPUs");
	smp_start(&plan);
	vmap_free(trampoline);
	log_info("smp", "%u of %u CPU%s run: %s", cpu_count, acpi_machine.cpu_count,
		 plural(acpi_machine.cpu_count), cpu_features.brand);
}

static void start_vmm(void)
{
	const struct vmm_backend *const backends[] = {&svm_backend, &vmx_backend};

	vmm_init(backends, ARRAY_SIZE(backends)); /* without one the console still answers */
}

static void machine_off(bool reboot)
{
	block_hosts_shutdown();
	if (reboot)
		acpi_reset();
	acpi_power_off();
}

/* From here on the terminal shows the log on its line, between what the guests print. */
static void start_terminal(const struct config_console *console)
{
	static struct serial *const ports[] = {
		[CONFIG_SERIAL_COM1] = &serial_com1, [CONFIG_SERIAL_COM2] = &serial_com2};
	struct serial *port = ports[console->serial];

	if (port)
		serial_set_speed(port, console->baud);
	if (power_init(machine_off) || mux_init(port ? &port->line : NULL))
		panic("no memory for the terminal");
	if (port)
		log_detach(&port->sink);
}

static void disk_gone(const struct blkdev *disk)
{
	event_post(EVENT_DISK_GONE, disk->name,
		   "it does not answer any more, or was taken out");
}

/* A function goes to the first driver that takes it. */
static void start_devices(void)
{
	static const struct pci_driver *const drivers[] = {
		&nvme_driver, &ahci_driver,  &virtio_blk_driver,
		&ide_driver,  &e1000_driver, &virtio_net_driver,
	};

	blkdev_on_gone(disk_gone);
	pci_init();
	functions_init(pci_describe);
	pci_probe(drivers, ARRAY_SIZE(drivers));
}

/* Disks, and what a configuration may name as one. */
static void start_storage(void)
{
	static const struct storage_scheme *const kinds[] = {
		&disk_scheme, &part_scheme, &lvm_scheme, &esp_scheme, &ram_scheme};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		storage_register(kinds[i]);
	part_log();
	volume_init(&lvm_provider);
	storage_set_holds(lvm_holds);
}

/* Whether a kernel is good shows where guests run: once those that start have begun, and some
 * time has passed. */
static void settle(void)
{
	while (!guests_turns_over())
		thread_sleep_ns(NSEC_PER_SEC);
	thread_sleep_ns(SETTLED_NS);
	came_up();
}

/* The first thread: what needs threads to start. */
static void services(void *arg)
{
	(void)arg;
	start_terminal(&document_host()->console);
	start_devices();
	start_storage();
	switch_init();
	if (guests_init() || watch_start())
		panic("no memory for the threads that see to guests");
	storage_on_change(guests_try_waiting);
	look_on_answer(guests_try_waiting);
	document_start_guests();
	lvm_manage_start(document_host()->name); /* what guests have is known only now */
	log_info("boot", "up %llu ms after the boot application's start",
		 clock_now_ns() / NSEC_PER_MSEC);
	settle();
}

static void start_services(void)
{
	const struct thread_params params = {
		.name = "start", .fn = services, .weight = THREAD_WEIGHT_SERVICE};

	if (!thread_create(&params))
		panic("no memory for the first thread");
}

void kernel_main(const struct handoff *boot)
{
	const struct handoff *handoff;

	cpu_bind(&cpu_boot);
	start_log();
	check_handoff(boot);
	cpu_features_init();
	cpu_features_enable();
	traps_init();
	traps_init_this_cpu(); /* so that a fault below is shown; the IST stacks come later */

	if (mem_init(boot))
		panic("Bulkhead cannot run in the memory of this machine");
	handoff = mem_handoff();
	if (give_stacks(&cpu_boot))
		panic("no memory for the stacks of CPU 0");
	traps_init_this_cpu();

	start_screen(&handoff->framebuffer);
	start_blackbox(handoff->kept_phys);
	acpi_init(handoff->rsdp_phys);
	start_clock(handoff->tsc_boot_entry);
	random_init();
	check_announce();
	start_apic();
	files_init(handoff);
	document_read();
	start_vmm();
	if (sched_init(&document_host()->housekeeping))
		panic("no memory for the scheduler");
	start_cpus(handoff->ap_trampoline_phys);
	sched_settle_housekeeping(cpu_count);
	start_services();
	run_cpu();
}
