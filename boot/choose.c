/*
 * A new kernel, tried once. What is known of it is in a file on the volume, whose first word
 * says whether it was "tried", or "fails"; the kernel itself makes that "good " when it has
 * come up. Behind it stands which file that is about.
 */
#include "boot/choose.h"
#include "boot/elf.h"
#include "boot/say.h"
#include "boot/volume.h"
#include <stdbool.h>

#define STATE_FILE  L"" VOLUME_DISKS "\\" VOLUME_TRIAL
#define STATE_BYTES 4096 /* a whole block of any disk */
#define WORD_BYTES  5

#define KERNEL(file)                           \
	{                                      \
		.name = L"" file, .path = file \
	}

static char state[STATE_BYTES], wanted[STATE_BYTES];

static bool same(const char *a, const char *b, unsigned bytes)
{
	while (bytes > 0 && *a++ == *b++)
		bytes--;
	return bytes == 0;
}

static char *put_number(char *to, uint64_t number)
{
	*to++ = ' ';
	for (int shift = 60; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[number >> shift & 15];
	return to;
}

/* What the state of this file is when it was tried: by its size and the time of its last
 * change. Another that is put in its place is another. */
static void describe(const EFI_FILE_INFO *info)
{
	const EFI_TIME *time = &info->ModificationTime;
	char *to = wanted;

	for (const char *word = "tried"; *word; word++)
		*to++ = *word;
	to = put_number(to, info->FileSize);
	to = put_number(to, (uint64_t)time->Year << 40 | (uint64_t)time->Month << 32 |
				    (uint64_t)time->Day << 24 | time->Hour << 16 |
				    time->Minute << 8 | time->Second);
	*to = '\n';
}

/* What is wrong with the file of the new kernel, as far as can be seen; NULL: nothing. */
static const char *find_fault(EFI_FILE_HANDLE bulkhead, uint64_t file_bytes)
{
	static _Alignas(8) uint8_t head[ELF_HEAD_BYTES];
	const uint64_t head_bytes = file_bytes < sizeof(head) ? file_bytes : sizeof(head);
	struct elf_kernel kernel;

	if (!volume_peek(bulkhead, L"" CHOOSE_NEW, head, head_bytes))
		return "it can't be read";
	return elf_check(head, head_bytes, file_bytes, &kernel);
}

/* Says so if it fails. */
static bool rename(EFI_FILE_HANDLE bulkhead, const CHAR16 *from, const CHAR16 *to)
{
	const bool renamed = volume_rename(bulkhead, from, to);

	if (!renamed)
		Print(L"\\bulkhead\\%s can't be renamed to %s: see whether it is read-only, "
		      L"and check the boot partition.\r\n",
		      from, to);
	return renamed;
}

/* The new kernel has come up: it is kernel.elf from now on. False: not yet; it is started as it
 * is, and the next start tries this again. FAT renames over no file, so kernel.old goes first:
 * kernel.elf and the new one are there then, and at each step after it one of them is, or
 * kernel.old and the new one are. */
static bool promote(EFI_FILE_HANDLE bulkhead)
{
	if (volume_has(bulkhead, L"" VOLUME_KERNEL)) {
		if (volume_has(bulkhead, L"" CHOOSE_OLD) &&
		    !volume_remove(bulkhead, L"" CHOOSE_OLD))
			Print(L"\\bulkhead\\" CHOOSE_OLD " can't be removed.\r\n");
		if (!rename(bulkhead, L"" VOLUME_KERNEL, L"" CHOOSE_OLD))
			return false;
	}
	if (!rename(bulkhead, L"" CHOOSE_NEW, L"" VOLUME_KERNEL))
		return false;
	volume_remove(bulkhead, STATE_FILE);
	Print(L"\\bulkhead\\" CHOOSE_NEW " came up: it is " VOLUME_KERNEL " now, and the one "
	      L"before is " CHOOSE_OLD ".\r\n");
	return true;
}

/* Whether the new kernel is to be started, once, and that is noted. */
static bool try(EFI_FILE_HANDLE bulkhead)
{
	if (!volume_write(bulkhead, L"" VOLUME_DISKS, STATE_FILE, wanted, STATE_BYTES)) {
		Print(L"\\bulkhead\\" CHOOSE_NEW " is not tried: this volume can't be "
		      L"written.\r\n");
		return false;
	}
	Print(L"\\bulkhead\\" CHOOSE_NEW
	      " is tried, once. If it does not come up, the next start "
	      L"is " VOLUME_KERNEL "'s again.\r\n");
	return true;
}

/* What is started where nothing is tried, so that no machine is left without a kernel: boot
 * says what to do where there is none of them. */
static struct choice settled(EFI_FILE_HANDLE bulkhead)
{
	static const struct choice choices[] = {KERNEL(VOLUME_KERNEL), KERNEL(CHOOSE_OLD),
						KERNEL(CHOOSE_NEW)};

	for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (!volume_has(bulkhead, choices[i].name))
			continue;
		if (i > 0)
			Print(L"\\bulkhead\\" VOLUME_KERNEL " is missing: %s is started "
			      L"instead.\r\n",
			      choices[i].name);
		return choices[i];
	}
	return choices[0];
}

/* It did not come up, and is not tried again. */
static struct choice give_up(EFI_FILE_HANDLE bulkhead)
{
	const struct choice choice = settled(bulkhead);

	if (same(state, "tried", WORD_BYTES)) {
		BS->CopyMem(state, "fails", WORD_BYTES);
		volume_write(bulkhead, L"" VOLUME_DISKS, STATE_FILE, state, STATE_BYTES);
	}
	Print(L"\\bulkhead\\" CHOOSE_NEW " was tried and did not come up: this is %s. Remove "
	      L"it, or put another there.\r\n",
	      choice.name);
	return choice;
}

struct choice choose_kernel(EFI_FILE_HANDLE bulkhead)
{
	struct choice choice = KERNEL(CHOOSE_NEW);
	const EFI_FILE_INFO *info = volume_info(bulkhead, L"" CHOOSE_NEW);
	const char *fault;
	bool known;

	if (!info)
		return settled(bulkhead);
	describe(info);
	fault = find_fault(bulkhead, info->FileSize);
	if (fault) {
		Print(L"\\bulkhead\\" CHOOSE_NEW " is passed over, it is no kernel: %a. Copy "
		      L"it once more, or remove it.\r\n",
		      fault);
		return settled(bulkhead);
	}
	known = volume_peek(bulkhead, STATE_FILE, state, STATE_BYTES) &&
		same(state + WORD_BYTES, wanted + WORD_BYTES, STATE_BYTES - WORD_BYTES);
	if (known && same(state, "good ", WORD_BYTES))
		return promote(bulkhead) ? settled(bulkhead) : choice;
	if (known)
		return give_up(bulkhead);
	choice.trial = try(bulkhead);
	return choice.trial ? choice : settled(bulkhead);
}
