/*
 * Refusals: the message, the pause to read it in, and the return to the firmware.
 */
#include "boot/say.h"
#include "boot/pages.h"

#define READING_TIME_S	 10
#define TICKS_PER_SECOND 10000000ull /* SetTimer counts in 100 ns */

static EFI_HANDLE self;

void say_begin(EFI_HANDLE image)
{
	self = image;
	Print(L"Bulkhead %a: loading\r\n", version_text);
}

static void wait_for_key(void)
{
	EFI_EVENT events[2] = {ST->ConIn->WaitForKey, NULL};
	UINTN fired;

	if (BS->CreateEvent(EVT_TIMER, TPL_APPLICATION, NULL, NULL, &events[1]) != EFI_SUCCESS)
		return;
	ST->ConIn->Reset(ST->ConIn, FALSE); /* a key pressed earlier does not count */
	Print(L"Press a key to return to the firmware (it does so by itself in %d s).\r\n",
	      READING_TIME_S);
	BS->SetTimer(events[1], TimerRelative, READING_TIME_S * TICKS_PER_SECOND);
	BS->WaitForEvent(2, events, &fired);
	BS->CloseEvent(events[1]);
}

_Noreturn void refuse(EFI_STATUS status, const CHAR16 *remedy, const CHAR16 *format, ...)
{
	va_list arguments;

	Print(L"\r\nBulkhead cannot start: ");
	va_start(arguments, format);
	VPrint(format, arguments);
	va_end(arguments);
	Print(L"\r\n%s\r\n", remedy);
	wait_for_key();

	pages_release();
	BS->Exit(self, status, 0, NULL);
	for (;;)
		; /* Exit does not return to the image that calls it */
}
