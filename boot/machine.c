/*
 * CPU features that boot itself needs, screen, tables and entropy. Memory: see memory.c.
 */
#include "boot/machine.h"
#include "boot/say.h"
#include <cpuid.h>
#include <stdbool.h>

#define CR4_LA57 (1ull << 12)

/* CPUID bits (SDM vol. 2A, CPUID; APM vol. 3, appendix E) */
#define EXTENDED_1_EDX_NX (1u << 20)
#define LEAF_1_ECX_RDRAND (1u << 30)
#define LEAF_7_EBX_RDSEED (1u << 18)

#define RANDOM_TRIES	  100 /* RDSEED runs dry when asked faster than it gathers */

void machine_check(void)
{
	uint32_t eax, ebx, ecx, edx;
	uint64_t cr4;

	if (!__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) || !(edx & EXTENDED_1_EDX_NX))
		refuse(EFI_UNSUPPORTED,
		       L"Switch on \"no execute\" (NX, XD) in the firmware's setup.",
		       L"the CPU does not offer pages that may not be executed.");
	__asm__("mov %%cr4, %0" : "=r"(cr4));
	if (cr4 & CR4_LA57)
		refuse(EFI_UNSUPPORTED, L"Switch off 5-level paging in the firmware's setup.",
		       L"the firmware runs with 5-level paging.");
}

/* A mask that is one byte of a pixel, at bit `shift`. */
static bool is_byte(uint32_t mask, unsigned shift)
{
	return mask == 0xffu << shift;
}

static enum handoff_pixel_format pixel_format(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode)
{
	const EFI_PIXEL_BITMASK *mask = &mode->PixelInformation;

	switch (mode->PixelFormat) {
	case PixelRedGreenBlueReserved8BitPerColor: return HANDOFF_PIXEL_RGBX;
	case PixelBlueGreenRedReserved8BitPerColor: return HANDOFF_PIXEL_BGRX;
	case PixelBitMask:
		if (!is_byte(mask->GreenMask, 8))
			return HANDOFF_PIXEL_NONE;
		if (is_byte(mask->RedMask, 0) && is_byte(mask->BlueMask, 16))
			return HANDOFF_PIXEL_RGBX;
		if (is_byte(mask->BlueMask, 0) && is_byte(mask->RedMask, 16))
			return HANDOFF_PIXEL_BGRX;
		return HANDOFF_PIXEL_NONE;
	default: return HANDOFF_PIXEL_NONE;
	}
}

static void describe_framebuffer(struct handoff_framebuffer *framebuffer)
{
	EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
	EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

	/* The console's own screen first: there may be several. */
	if (BS->HandleProtocol(ST->ConsoleOutHandle, &guid, (void **)&gop) != EFI_SUCCESS &&
	    BS->LocateProtocol(&guid, NULL, (void **)&gop) != EFI_SUCCESS)
		return;
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = gop->Mode->Info;
	const enum handoff_pixel_format format = pixel_format(mode);
	if (format == HANDOFF_PIXEL_NONE || gop->Mode->FrameBufferBase == 0)
		return;
	*framebuffer = (struct handoff_framebuffer){
		.base = gop->Mode->FrameBufferBase,
		.bytes = gop->Mode->FrameBufferSize,
		.width = mode->HorizontalResolution,
		.height = mode->VerticalResolution,
		.pitch_bytes = mode->PixelsPerScanLine * 4,
		.format = format,
	};
}

/* The first of two tables that the firmware has, the newer one first; 0 if neither. */
static uint64_t find_table(EFI_GUID newer, EFI_GUID older)
{
	void *table;

	if (LibGetSystemConfigurationTable(&newer, &table) == EFI_SUCCESS ||
	    LibGetSystemConfigurationTable(&older, &table) == EFI_SUCCESS)
		return (uint64_t)table;
	return 0;
}

static bool rdseed(uint64_t *value)
{
	bool good;
	__asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(good));
	return good;
}

static bool rdrand(uint64_t *value)
{
	bool good;
	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
	return good;
}

static bool has_rdseed(void)
{
	uint32_t eax, ebx, ecx, edx;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & LEAF_7_EBX_RDSEED);
}

static bool has_rdrand(void)
{
	uint32_t eax, ebx, ecx, edx;
	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & LEAF_1_ECX_RDRAND);
}

/* Adds 64 bits for each 8 bytes of `entropy`; false if the CPU's source gave out. */
static bool mix_cpu(uint64_t *entropy, bool (*draw)(uint64_t *value))
{
	for (unsigned i = 0; i < HANDOFF_ENTROPY_BYTES / sizeof(*entropy); i++) {
		uint64_t value = 0;
		unsigned tries = 0;
		while (!draw(&value)) {
			if (++tries == RANDOM_TRIES)
				return false;
			__builtin_ia32_pause();
		}
		if (value == UINT64_MAX)
			return false; /* some CPUs answer so after resume, with carry set */
		entropy[i] ^= value;
	}
	return true;
}

/*
 * Sources are mixed by exclusive or, so that each one alone makes the result unknown to whoever
 * controls the others.
 */
static void gather_entropy(struct handoff *handoff)
{
	EFI_RNG_PROTOCOL *rng;
	EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
	uint64_t entropy[HANDOFF_ENTROPY_BYTES / 8] = {0};

	bool good = BS->LocateProtocol(&guid, NULL, (void **)&rng) == EFI_SUCCESS &&
		    rng->GetRNG(rng, NULL, sizeof(entropy), (UINT8 *)entropy) == EFI_SUCCESS;
	if (has_rdseed() && mix_cpu(entropy, rdseed))
		good = true;
	else if (has_rdrand() && mix_cpu(entropy, rdrand))
		good = true;
	if (!good)
		return;
	BS->CopyMem(handoff->entropy, entropy, sizeof(entropy));
	handoff->entropy_bytes = sizeof(entropy);
}

void machine_describe(struct handoff *handoff)
{
	describe_framebuffer(&handoff->framebuffer);
	handoff->rsdp_phys =
		find_table((EFI_GUID)ACPI_20_TABLE_GUID, (EFI_GUID)ACPI_TABLE_GUID);
	handoff->smbios_phys =
		find_table((EFI_GUID)SMBIOS3_TABLE_GUID, (EFI_GUID)SMBIOS_TABLE_GUID);
	gather_entropy(handoff);
}
