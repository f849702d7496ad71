/*
 * The part of a guest's hardware that no other table describes: soft-off, the serial port and
 * the clock. Processors and interrupt controllers are in the MADT, fixed hardware in the FADT.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
	// SLP_TYP of soft-off: PM_S5_SLP_TYP in guests/devices/pm.h.
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501")) // 16550A-compatible serial port
			Name (_UID, 1)
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3F8, 0x3F8, 0, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00")) // AT real-time clock
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 0, 2)
				IRQNoFlags () { 8 }
			})
		}

		// Ports of the chipset that nothing else may be given.
		Device (SYSR)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x80, 0x80, 0, 1)
				IO (Decode16, 0x92, 0x92, 0, 1)
				IO (Decode16, 0x4D0, 0x4D0, 0, 2)
				IO (Decode16, 0x600, 0x600, 0, 12)
			})
		}
	}
}
