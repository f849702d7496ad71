/*
 * A virtio network device without memory, thread or slot: whichever is missing, nothing is left
 * behind, and the port stays the caller's.
 */
/* links: guests/devices/virtio/net.c guests/devices/virtio/net_rx.c */
/* links: guests/devices/virtio/net_tx.c guests/devices/virtio/net_control.c */
/* links: guests/devices/virtio/virtio.c guests/devices/virtio/registers.c */
/* links: guests/devices/virtio/queue.c guests/devices/virtio/split.c */
/* links: guests/devices/virtio/packed.c guests/pci/pci.c guests/pci/access.c */
/* links: guests/pci/bars.c guests/pci/function.c guests/pci/msix.c guests/pci/pins.c */
/* links: kernel/io/packet.c kernel/io/netdev.c kernel/vmm/bus.c tests/unit/fake_vmm.c */
/* links: tests/unit/fake_gmem.c tests/unit/fake_threads.c tests/unit/fake_net.c */
#include "tests/unit/virtio_net_port.h"

#define PACKET_PAGES 544 /* net.c */

static struct netdev second;

static struct virtio_net *create(void)
{
	const struct virtio_net_params params = {.port = &second, .pairs = 1};

	second = (struct netdev){.ops = &ops, .name = "g.1", .mtu = 1500, .link_up = true};
	memcpy(second.mac, other, sizeof second.mac);
	return virtio_net_create(&vm->board, root, &params);
}

/* It works, and goes. */
static void use(struct virtio_net *made)
{
	assert_non_null(made);
	assert_true(second.consumed);
	closed = false;
	virtio_net_destroy(made);
	assert_true(closed);
}

static void test_heap(void **state)
{
	struct virtio_net *made = NULL;
	unsigned n;

	(void)state;
	for (n = 0; !made; n++) {
		fake_heap_left = n;
		made = create();
		fake_heap_left = FAKE_HEAP_ALL;
		assert_int_equal(second.consumed, made != NULL);
		assert_false(closed);
	}
	assert_true(n > 3);
	use(made);
}

static void test_frames(void **state)
{
	unsigned before = fake_frames_left;
	struct virtio_net *made;

	(void)state;
	for (unsigned n = 0; n < PACKET_PAGES; n++) {
		fake_frames_left = n;
		assert_null(create());
		assert_int_equal(fake_frames_left, n);
		assert_false(closed);
	}
	fake_frames_left = PACKET_PAGES;
	made = create();
	assert_int_equal(fake_frames_left, 0);
	fake_frames_left = before - PACKET_PAGES;
	use(made);
	assert_int_equal(fake_frames_left, before);
}

static void test_thread_and_slot(void **state)
{
	static const struct pci_function_ops none;
	static struct pci_function others[32];
	unsigned count = 0;

	(void)state;
	fake_threads_refused = true;
	assert_null(create());
	fake_threads_refused = false;
	assert_false(closed);
	for (; count < ARRAY_SIZE(others); count++) {
		others[count] = (struct pci_function){.name = "other", .ops = &none};
		if (pci_root_add(root, &others[count]))
			break;
	}
	assert_int_equal(count, 30); /* one slot is the bridge's, one the device's of setup() */
	assert_null(create());
	assert_false(closed);
	pci_root_remove(&others[--count]);
	use(create());
	while (count)
		pci_root_remove(&others[--count]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {check(test_heap), check(test_frames),
					   check(test_thread_and_slot)};

	return cmocka_run_group_tests(tests, NULL, fake_net_fini);
}
