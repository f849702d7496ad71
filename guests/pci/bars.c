/*
 * BARs: where they lie at first, where they lie once the guest moved them, and which one an
 * access meets that is no RAM's and no other device's. The last is looked up without a lock:
 * every kick of a virtqueue comes this way.
 */
#include <errno.h>
#include <stdatomic.h>

#include "guests/pci/internal.h"
#include "kernel/vmm/board.h"

static unsigned bar_offset(unsigned bar)
{
	return PCI_BARS + 4 * bar;
}

static uint64_t window_end(enum pci_bar_kind kind)
{
	switch (kind) {
	case PCI_BAR_IO: return PCI_IO_BASE + PCI_IO_BYTES;
	case PCI_BAR_MEMORY32: return PCI_WINDOW_BASE + PCI_WINDOW_BYTES;
	default: return 2 * pci_high_base();
	}
}

static struct pci_space *space_of(struct pci_root *root, enum pci_bar_kind kind)
{
	return kind == PCI_BAR_IO ? &root->io : &root->memory;
}

static uint32_t bar_flags(const struct pci_function *function, unsigned bar)
{
	enum pci_bar_kind kind = function->bars[bar].kind;

	if (kind == PCI_BAR_IO)
		return PCI_BAR_IS_IO;
	return (kind == PCI_BAR_MEMORY64 ? PCI_BAR_IS_64 : 0) |
	       (function->bars[bar].prefetchable ? PCI_BAR_IS_PREFETCHABLE : 0);
}

/* Bits below the size are not writable: that is how a guest finds the size (6.2.5.1). */
static void write_bar(struct pci_function *function, unsigned bar, uint64_t base)
{
	bool wide = function->bars[bar].kind == PCI_BAR_MEMORY64;
	uint64_t mask = ~(function->bars[bar].bytes - 1);

	pci_function_put(function, bar_offset(bar), wide ? 8 : 4,
			 base | bar_flags(function, bar));
	for (unsigned i = 0; i < (wide ? 8 : 4); i++)
		function->mask[bar_offset(bar) + i] = mask >> 8 * i;
}

static int place(struct pci_function *function, unsigned bar)
{
	enum pci_bar_kind kind = function->bars[bar].kind;
	struct pci_space *space = space_of(function->root, kind);
	uint64_t bytes = function->bars[bar].bytes;
	uint64_t base = ALIGN_UP(function->root->next[kind], bytes);

	if (space->count == PCI_DECODERS_MAX || bytes > window_end(kind) - base)
		return -ENOSPC;
	function->root->next[kind] = base + bytes;
	write_bar(function, bar, base);
	function->decoders[bar] = &space->decoders[space->count++];
	*function->decoders[bar] = (struct pci_decoder){PCI_NOT_DECODED, bytes, function, bar};
	return 0;
}

int pci_bars_place(struct pci_function *function)
{
	for (unsigned bar = 0; bar < PCI_FUNCTION_BARS; bar++)
		if (function->bars[bar].kind != PCI_BAR_NONE && place(function, bar))
			return -ENOSPC;
	return 0;
}

/* Their room is not used again: a VM's devices come once. */
void pci_bars_remove(struct pci_function *function)
{
	for (unsigned bar = 0; bar < PCI_FUNCTION_BARS; bar++)
		if (function->decoders[bar])
			atomic_store(&function->decoders[bar]->base, PCI_NOT_DECODED);
}

static uint64_t decoded_base(const struct pci_function *function, unsigned bar)
{
	enum pci_bar_kind kind = function->bars[bar].kind;
	unsigned enable = kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	uint64_t base = 0;

	if (!(pci_command(function) & enable))
		return PCI_NOT_DECODED;
	for (unsigned i = 0; i < (kind == PCI_BAR_MEMORY64 ? 8 : 4); i++)
		base |= (uint64_t)function->config[bar_offset(bar) + i] << 8 * i;
	return base & ~(function->bars[bar].bytes - 1);
}

void pci_bars_update(struct pci_function *function)
{
	for (unsigned bar = 0; bar < PCI_FUNCTION_BARS; bar++)
		if (function->decoders[bar])
			atomic_store_explicit(&function->decoders[bar]->base,
					      decoded_base(function, bar),
					      memory_order_release);
}

/* Of BARs that overlap, the one that was placed first answers. *straddles: none does at `addr`,
 * but one at a later byte of the access. */
static const struct pci_decoder *find(const struct pci_space *space,
				      const struct bus_access *access, uint64_t *offset,
				      bool *straddles)
{
	*straddles = false;
	for (unsigned i = 0; i < space->count; i++) {
		const struct pci_decoder *decoder = &space->decoders[i];
		uint64_t base = atomic_load_explicit(&decoder->base, memory_order_acquire);

		if (base == PCI_NOT_DECODED)
			continue;
		*offset = access->addr - base;
		if (access->addr >= base && *offset < decoder->bytes)
			return decoder;
		*straddles |= access->addr < base && base - access->addr < access->bytes;
	}
	return NULL;
}

/* One byte of an access that several answer, or some bytes of which nobody does. */
static void byte_access(void *space, struct bus_access *access)
{
	if (!pci_space_access(space, access))
		access->value = UINT8_MAX;
}

bool pci_space_access(void *device, struct bus_access *access)
{
	struct pci_space *space = device;
	uint64_t offset;
	bool straddles;
	const struct pci_decoder *decoder = find(space, access, &offset, &straddles);

	if (unlikely(straddles || (decoder && decoder->bytes - offset < access->bytes))) {
		bus_bytewise(byte_access, space, access);
		return true;
	}
	if (!decoder)
		return false;
	access->offset = offset;
	if (decoder->function->msix_vectors && decoder->bar == decoder->function->msix_bar)
		pci_msix_access(decoder->function, access);
	else
		decoder->function->ops->access(decoder->function, decoder->bar, access);
	return true;
}
