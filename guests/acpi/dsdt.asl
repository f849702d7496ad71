/*
 * The part of a guest's hardware that no other table describes: soft-off, the PCI root, the
 * serial port and the clock. Processors and interrupt controllers are in the MADT, fixed
 * hardware in the FADT, ECAM in the MCFG.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "BULKHD", "BULKHEAD", 1)
{
	External (\PCIH, IntObj) // pci_high_base(), from the SSDT

	// SLP_TYP of soft-off: PM_S5_SLP_TYP in guests/devices/pm.h.
	Name (\_S5, Package () { 5, 0, 0, 0 })

	// What the system says of its interrupt controllers (ACPI 6.4, 5.8.1): 0, as long as it
	// has not said anything, the 8259 pair; 1, I/O APICs.
	Name (PICM, 0)
	Method (\_PIC, 1)
	{
		PICM = Arg0
	}

	Scope (\_SB)
	{
		// The bus of guests/pci, which pci.h places.
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08")) // PCI Express root
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)

			Name (WNDS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0xCF8, 0xCF8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					EntireRange, 0, 0xC000, 0xDFFF, 0, 0x2000)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xC0000000, 0xDFFFFFFF, 0, 0x20000000)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0x100000000, 0x1FFFFFFFF, 0, 0x100000000, , , HIGH)
			})

			// Base and size of the window above 4 GiB: where addresses reach less
			// far, it lies lower.
			Method (_CRS, 0, Serialized)
			{
				CreateQWordField (WNDS, ^HIGH._MIN, BASE)
				CreateQWordField (WNDS, ^HIGH._MAX, LAST)
				CreateQWordField (WNDS, ^HIGH._LEN, SIZE)
				BASE = PCIH
				LAST = PCIH + PCIH - 1
				SIZE = PCIH
				Return (WNDS)
			}

			// Where a slot's INTA# arrives, pci_slot_gsi(): the I/O APIC's pin, and the
			// link to the 8259 pair. No function has another pin.
			Name (PRTA, Package ()
			{
				Package () { 0x0001FFFF, 0, 0, 17 },
				Package () { 0x0002FFFF, 0, 0, 18 },
				Package () { 0x0003FFFF, 0, 0, 19 },
				Package () { 0x0004FFFF, 0, 0, 20 },
				Package () { 0x0005FFFF, 0, 0, 21 },
				Package () { 0x0006FFFF, 0, 0, 22 },
				Package () { 0x0007FFFF, 0, 0, 23 },
				Package () { 0x0008FFFF, 0, 0, 16 },
				Package () { 0x0009FFFF, 0, 0, 17 },
				Package () { 0x000AFFFF, 0, 0, 18 },
				Package () { 0x000BFFFF, 0, 0, 19 },
				Package () { 0x000CFFFF, 0, 0, 20 },
				Package () { 0x000DFFFF, 0, 0, 21 },
				Package () { 0x000EFFFF, 0, 0, 22 },
				Package () { 0x000FFFFF, 0, 0, 23 },
				Package () { 0x0010FFFF, 0, 0, 16 },
				Package () { 0x0011FFFF, 0, 0, 17 },
				Package () { 0x0012FFFF, 0, 0, 18 },
				Package () { 0x0013FFFF, 0, 0, 19 },
				Package () { 0x0014FFFF, 0, 0, 20 },
				Package () { 0x0015FFFF, 0, 0, 21 },
				Package () { 0x0016FFFF, 0, 0, 22 },
				Package () { 0x0017FFFF, 0, 0, 23 },
				Package () { 0x0018FFFF, 0, 0, 16 },
				Package () { 0x0019FFFF, 0, 0, 17 },
				Package () { 0x001AFFFF, 0, 0, 18 },
				Package () { 0x001BFFFF, 0, 0, 19 },
				Package () { 0x001CFFFF, 0, 0, 20 },
				Package () { 0x001DFFFF, 0, 0, 21 },
				Package () { 0x001EFFFF, 0, 0, 22 },
				Package () { 0x001FFFFF, 0, 0, 23 }
			})

			Name (PRTP, Package ()
			{
				Package () { 0x0001FFFF, 0, LNKC, 0 },
				Package () { 0x0002FFFF, 0, LNKA, 0 },
				Package () { 0x0003FFFF, 0, LNKB, 0 },
				Package () { 0x0004FFFF, 0, LNKC, 0 },
				Package () { 0x0005FFFF, 0, LNKA, 0 },
				Package () { 0x0006FFFF, 0, LNKB, 0 },
				Package () { 0x0007FFFF, 0, LNKC, 0 },
				Package () { 0x0008FFFF, 0, LNKB, 0 },
				Package () { 0x0009FFFF, 0, LNKC, 0 },
				Package () { 0x000AFFFF, 0, LNKA, 0 },
				Package () { 0x000BFFFF, 0, LNKB, 0 },
				Package () { 0x000CFFFF, 0, LNKC, 0 },
				Package () { 0x000DFFFF, 0, LNKA, 0 },
				Package () { 0x000EFFFF, 0, LNKB, 0 },
				Package () { 0x000FFFFF, 0, LNKC, 0 },
				Package () { 0x0010FFFF, 0, LNKB, 0 },
				Package () { 0x0011FFFF, 0, LNKC, 0 },
				Package () { 0x0012FFFF, 0, LNKA, 0 },
				Package () { 0x0013FFFF, 0, LNKB, 0 },
				Package () { 0x0014FFFF, 0, LNKC, 0 },
				Package () { 0x0015FFFF, 0, LNKA, 0 },
				Package () { 0x0016FFFF, 0, LNKB, 0 },
				Package () { 0x0017FFFF, 0, LNKC, 0 },
				Package () { 0x0018FFFF, 0, LNKB, 0 },
				Package () { 0x0019FFFF, 0, LNKC, 0 },
				Package () { 0x001AFFFF, 0, LNKA, 0 },
				Package () { 0x001BFFFF, 0, LNKB, 0 },
				Package () { 0x001CFFFF, 0, LNKC, 0 },
				Package () { 0x001DFFFF, 0, LNKA, 0 },
				Package () { 0x001EFFFF, 0, LNKB, 0 },
				Package () { 0x001FFFFF, 0, LNKC, 0 }
			})

			Method (_PRT, 0)
			{
				If (PICM == 1)
				{
					Return (PRTA)
				}
				Return (PRTP)
			}
		}

		// vpic_pci_irq(): soldered, so that there is nothing to choose, and nothing to
		// switch off.
		Device (LNKA)
		{
			Name (_HID, EisaId ("PNP0C0F")) // PCI interrupt link
			Name (_UID, 1)
			Name (_STA, 0x0B)
			Name (_PRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 10 } })
			Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 10 } })
			Method (_SRS, 1) { }
			Method (_DIS, 0) { }
		}

		Device (LNKB)
		{
			Name (_HID, EisaId ("PNP0C0F")) // PCI interrupt link
			Name (_UID, 2)
			Name (_STA, 0x0B)
			Name (_PRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 11 } })
			Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 11 } })
			Method (_SRS, 1) { }
			Method (_DIS, 0) { }
		}

		Device (LNKC)
		{
			Name (_HID, EisaId ("PNP0C0F")) // PCI interrupt link
			Name (_UID, 3)
			Name (_STA, 0x0B)
			Name (_PRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 5 } })
			Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 5 } })
			Method (_SRS, 1) { }
			Method (_DIS, 0) { }
		}

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

		// guests/devices/pvpanic.
		Device (PEVT)
		{
			Name (_HID, "QEMU0001") // pvpanic
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 1, 1)
			})
		}

		// What of the chipset nothing else may be given: ports, and ECAM.
		Device (SYSR)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x80, 0x80, 0, 1)
				IO (Decode16, 0x92, 0x92, 0, 1)
				IO (Decode16, 0x4D0, 0x4D0, 0, 2)
				IO (Decode16, 0x600, 0x600, 0, 12)
				Memory32Fixed (ReadWrite, 0xE0000000, 0x100000)
			})
		}
	}
}
