/*
 * What boot says to the person in front of the machine, and its way back to the firmware.
 * Everything goes to ConOut, which firmware leads to the screen and, where it is set up to,
 * to the serial port as well; there is no driver for either here.
 */
#ifndef BOOT_SAY_H
#define BOOT_SAY_H

#include <efi.h>
#include <efilib.h>

/* `Print` of GNU-EFI serves for ordinary lines: %s is CHAR16 *, %a is char *, %r a status. */

/* "0.1.0 (build 3483d9d41c2e)"; made by tools/make/version. */
extern const char version_text[];

/* Greets, and remembers whom refuse() ends; before anything else is said. */
void say_begin(EFI_HANDLE image);

/*
 * Ends the application: prints why it cannot go on (`format`) and what to do about it
 * (`remedy`, a sentence), waits for a key, 10 seconds at most, gives all memory back
 * and returns to the firmware with `status`. Only while boot services are there.
 */
_Noreturn void refuse(EFI_STATUS status, const CHAR16 *remedy, const CHAR16 *format, ...);

#endif
