/*
 * The one table of MSRs: all that the manuals call architectural (SDM vol. 4 table 2-2, APM
 * vol. 2 appendix A), and what a guest gets in its place. msr.c makes of it what RDMSR and
 * WRMSR do, tests/unit/test_cpu_table.c the table in docs/cpu.md, and tests/guest/msr_table.c
 * tries it as a guest. What is not listed does not exist: #GP.
 *
 * Whoever includes this defines MSR(first, last, CPUs, what, name, why) and, for `what`:
 *   READS(value)        reads so; WRMSR is #GP
 *   IGNORES(value)      reads so, whatever is written
 *   KEEPS(value, bits)  storage of `bits`; the others stay as in `value`: 1 for 0 is #GP
 *   TYPES(value, bits)  the same, of memory types: reserved ones are #GP
 *   REGISTER(reg)       a register of the vCPU
 *   ADDRESS(reg)        the same, #GP unless canonical
 *   CALLS(get, set)     code
 *   SETS(set)           code; RDMSR is #GP
 *   VANISHES            RDMSR is #GP, what is written is forgotten
 *   LAPIC               the local APIC's, as its mode says
 *   ABSENT              #GP
 * and for CPUs BOTH, INTEL, AMD: on the others it is absent. Sorted by `first`.
 */

/* clang-format off */
MSR(0x00, 0x01, BOTH, IGNORES(0), "IA32_P5_MC_ADDR, IA32_P5_MC_TYPE",
    "no machine check of the machine's reaches a guest")
MSR(0x06, 0x06, INTEL, ABSENT, "IA32_MONITOR_FILTER_SIZE", "no MONITOR")
MSR(0x10, 0x10, BOTH, CALLS(read_tsc, write_tsc), "IA32_TIME_STAMP_COUNTER",
    "the vCPU's own; a write moves it, TSC_ADJUST and the clock page of that vCPU")
MSR(0x11, 0x11, BOTH, SETS(write_wall_clock), "MSR_KVM_WALL_CLOCK", "KVM's clock")
MSR(0x12, 0x12, BOTH, CALLS(read_pvclock, write_pvclock), "MSR_KVM_SYSTEM_TIME",
    "KVM's clock")
MSR(0x17, 0x17, INTEL, READS(0), "IA32_PLATFORM_ID", "no platform of ours has one")
MSR(0x1b, 0x1b, BOTH, LAPIC, "IA32_APIC_BASE",
    "modes and address as the manual has them; an address with RAM below it is #GP")
MSR(0x3a, 0x3a, INTEL, READS(1), "IA32_FEATURE_CONTROL", "locked, with VMX and SMX off")
MSR(0x3b, 0x3b, BOTH, CALLS(read_tsc_adjust, write_tsc_adjust), "IA32_TSC_ADJUST",
    "what this vCPU's TSC was moved by")
MSR(0x48, 0x49, BOTH, ABSENT, "IA32_SPEC_CTRL, IA32_PRED_CMD", "not offered by CPUID yet")
MSR(0x4e, 0x4f, INTEL, ABSENT, "IA32_PPIN_CTL, IA32_PPIN", "the machine's number is not told")
MSR(0x79, 0x79, INTEL, VANISHES, "IA32_BIOS_UPDT_TRIG", "guests load no microcode")
MSR(0x8b, 0x8b, INTEL, IGNORES(1ull << 32), "IA32_BIOS_SIGN_ID",
    "a revision, as old drivers want one; before CPUID they write 0 here")
MSR(0x8b, 0x8b, AMD, IGNORES(0x1000065), "PATCH_LEVEL", "a revision, as old drivers want one")
MSR(0x8c, 0x8f, INTEL, ABSENT, "IA32_SGXLEPUBKEYHASH0-3", "no SGX")
MSR(0x9b, 0x9b, INTEL, ABSENT, "IA32_SMM_MONITOR_CTL", "no VMX, no SMX")
MSR(0x9e, 0x9e, INTEL, ABSENT, "IA32_SMBASE", "only in SMM, and there is none")
MSR(0xc1, 0xc8, INTEL, ABSENT, "IA32_PMC0-7", "no counters: CPUID leaf 0xa is 0")
MSR(0xcf, 0xcf, INTEL, ABSENT, "IA32_CORE_CAPABILITIES", "not offered by CPUID")
MSR(0xe1, 0xe1, INTEL, ABSENT, "IA32_UMWAIT_CONTROL", "no WAITPKG")
MSR(0xe7, 0xe8, BOTH, ABSENT, "IA32_MPERF, IA32_APERF", "they would tell of other guests")
MSR(0xfe, 0xfe, BOTH, READS(0x508), "IA32_MTRRCAP",
    "8 variable ranges, fixed ranges, write-combining")
MSR(0x10a, 0x10b, INTEL, ABSENT, "IA32_ARCH_CAPABILITIES, IA32_FLUSH_CMD",
    "not offered by CPUID yet")
MSR(0x122, 0x122, INTEL, ABSENT, "IA32_TSX_CTRL", "no TSX")
MSR(0x174, 0x174, BOTH, REGISTER(REG_SYSENTER_CS), "IA32_SYSENTER_CS", "the vCPU's own")
MSR(0x175, 0x175, BOTH, ADDRESS(REG_SYSENTER_ESP), "IA32_SYSENTER_ESP", "the vCPU's own")
MSR(0x176, 0x176, BOTH, ADDRESS(REG_SYSENTER_EIP), "IA32_SYSENTER_EIP", "the vCPU's own")
MSR(0x179, 0x179, BOTH, READS(0), "IA32_MCG_CAP", "no banks: machine checks are the host's")
MSR(0x17a, 0x17a, BOTH, KEEPS(0, 7), "IA32_MCG_STATUS", "without effect")
MSR(0x17b, 0x17b, BOTH, ABSENT, "IA32_MCG_CTL", "MCG_CAP says that it is not there")
MSR(0x186, 0x18d, INTEL, ABSENT, "IA32_PERFEVTSEL0-7", "no counters: CPUID leaf 0xa is 0")
MSR(0x198, 0x198, INTEL, READS(0), "IA32_PERF_STATUS", "no P-states")
MSR(0x199, 0x199, INTEL, IGNORES(0), "IA32_PERF_CTL", "no P-states")
MSR(0x19a, 0x19c, INTEL, ABSENT, "IA32_CLOCK_MODULATION, IA32_THERM_INTERRUPT, _STATUS",
    "CPUID has no ACPI bit: heat is the host's")
MSR(0x1a0, 0x1a0, INTEL, KEEPS(0x1801, ~0x1800ull), "IA32_MISC_ENABLE",
    "fast strings, and no BTS or PEBS; the other bits are kept without effect")
MSR(0x1b0, 0x1b2, INTEL, ABSENT, "IA32_ENERGY_PERF_BIAS, IA32_PACKAGE_THERM_*",
    "power and heat are the host's")
MSR(0x1c4, 0x1c5, INTEL, ABSENT, "IA32_XFD, IA32_XFD_ERR", "no AMX")
MSR(0x1d9, 0x1d9, INTEL, KEEPS(0, 3), "IA32_DEBUGCTL", "LBR and BTF are kept without effect")
MSR(0x1d9, 0x1d9, AMD, KEEPS(0, 0x3f), "DebugCtl", "LBR, BTF and PB are kept without effect")
MSR(0x1db, 0x1de, BOTH, IGNORES(0), "LastBranchFromIP, ToIP, LastIntFromIP, ToIP",
    "no branch is recorded")
MSR(0x1f2, 0x1f3, INTEL, ABSENT, "IA32_SMRR_PHYSBASE, _PHYSMASK", "MTRRCAP has no SMRR")
MSR(0x1f8, 0x1fa, INTEL, ABSENT, "IA32_PLATFORM_DCA_CAP, IA32_CPU_DCA_CAP, IA32_DCA_0_CAP",
    "no DCA")
MSR(0x200, 0x20f, BOTH, TYPES(0, 0x000fffffffffffffull), "IA32_MTRR_PHYSBASE0-7, PHYSMASK0-7",
    "kept without effect: RAM is write-back, devices are emulated")
MSR(0x250, 0x250, BOTH, TYPES(0, ~0ull), "IA32_MTRR_FIX64K_00000", "kept without effect")
MSR(0x258, 0x259, BOTH, TYPES(0, ~0ull), "IA32_MTRR_FIX16K_*", "kept without effect")
MSR(0x268, 0x26f, BOTH, TYPES(0, ~0ull), "IA32_MTRR_FIX4K_*", "kept without effect")
MSR(0x277, 0x277, BOTH, CALLS(read_pat, write_pat), "IA32_PAT", "the vCPU's own")
MSR(0x280, 0x29f, INTEL, ABSENT, "IA32_MC0_CTL2-MC31_CTL2", "no banks")
MSR(0x2ff, 0x2ff, BOTH, TYPES(0x806, 0xcff), "IA32_MTRR_DEF_TYPE",
    "as firmware leaves it: on, write-back, fixed ranges off; kept without effect")
MSR(0x309, 0x30c, INTEL, ABSENT, "IA32_FIXED_CTR0-3", "no counters: CPUID leaf 0xa is 0")
MSR(0x345, 0x345, INTEL, ABSENT, "IA32_PERF_CAPABILITIES", "no PDCM")
MSR(0x38d, 0x392, INTEL, ABSENT, "IA32_FIXED_CTR_CTRL, IA32_PERF_GLOBAL_*",
    "no counters: CPUID leaf 0xa is 0")
MSR(0x3f1, 0x3f1, INTEL, ABSENT, "IA32_PEBS_ENABLE", "no PEBS")
MSR(0x400, 0x47f, BOTH, ABSENT, "IA32_MC0_CTL-MC31_MISC", "no banks")
MSR(0x480, 0x493, INTEL, ABSENT, "IA32_VMX_*", "no VMX")
MSR(0x4c1, 0x4c8, INTEL, ABSENT, "IA32_A_PMC0-7", "no counters: CPUID leaf 0xa is 0")
MSR(0x560, 0x587, INTEL, ABSENT, "IA32_RTIT_*", "no Processor Trace")
MSR(0x600, 0x600, INTEL, ABSENT, "IA32_DS_AREA", "no debug store")
MSR(0x6a0, 0x6a8, BOTH, ABSENT, "IA32_U_CET, IA32_S_CET, IA32_PL0_SSP ...", "no CET")
MSR(0x6e0, 0x6e0, BOTH, LAPIC, "IA32_TSC_DEADLINE", "the local APIC's timer")
MSR(0x6e1, 0x6e1, INTEL, ABSENT, "IA32_PKRS", "no keys for supervisor pages")
MSR(0x770, 0x777, INTEL, ABSENT, "IA32_PM_ENABLE, IA32_HWP_*", "power is the host's")
MSR(0x800, 0x8ff, BOTH, LAPIC, "x2APIC registers", "in x2APIC mode; else #GP")
MSR(0xc80, 0xc80, INTEL, ABSENT, "IA32_DEBUG_INTERFACE", "the machine's")
MSR(0xc81, 0xd9f, INTEL, ABSENT, "IA32_L3_QOS_CFG ... IA32_L2_QOS_MASK, IA32_BNDCFGS",
    "no RDT, no MPX")
MSR(0xda0, 0xda0, BOTH, ABSENT, "IA32_XSS", "no XSAVES")
MSR(0xdb0, 0xdb2, INTEL, ABSENT, "IA32_PKG_HDC_CTL, IA32_PM_CTL1, IA32_THREAD_STALL",
    "power is the host's")
MSR(0x1200, 0x121f, INTEL, ABSENT, "IA32_LBR_*_INFO", "no branch records")
MSR(0x14ce, 0x14cf, INTEL, ABSENT, "IA32_LBR_CTL, IA32_LBR_DEPTH", "no branch records")
MSR(0x4b564d00, 0x4b564d00, BOTH, SETS(write_wall_clock), "MSR_KVM_WALL_CLOCK_NEW",
    "KVM's clock")
MSR(0x4b564d01, 0x4b564d01, BOTH, CALLS(read_pvclock, write_pvclock),
    "MSR_KVM_SYSTEM_TIME_NEW", "KVM's clock")
MSR(0x4b564d02, 0x4b564d08, BOTH, ABSENT, "MSR_KVM_ASYNC_PF_EN ...",
    "CPUID 0x40000001 does not offer them")
MSR(0xc0000080, 0xc0000080, BOTH, CALLS(read_efer, write_efer), "IA32_EFER",
    "the vCPU's own: SCE, LME, LMA, NXE, FFXSR where CPUID has them")
MSR(0xc0000081, 0xc0000081, BOTH, REGISTER(REG_STAR), "IA32_STAR", "the vCPU's own")
MSR(0xc0000082, 0xc0000082, BOTH, ADDRESS(REG_LSTAR), "IA32_LSTAR", "the vCPU's own")
MSR(0xc0000083, 0xc0000083, BOTH, ADDRESS(REG_CSTAR), "IA32_CSTAR", "the vCPU's own")
MSR(0xc0000084, 0xc0000084, BOTH, REGISTER(REG_SFMASK), "IA32_FMASK", "the vCPU's own")
MSR(0xc0000100, 0xc0000100, BOTH, ADDRESS(REG_FS_BASE), "IA32_FS_BASE", "the vCPU's own")
MSR(0xc0000101, 0xc0000101, BOTH, ADDRESS(REG_GS_BASE), "IA32_GS_BASE", "the vCPU's own")
MSR(0xc0000102, 0xc0000102, BOTH, ADDRESS(REG_KERNEL_GS_BASE), "IA32_KERNEL_GS_BASE",
    "the vCPU's own")
MSR(0xc0000103, 0xc0000103, BOTH, CALLS(read_tsc_aux, write_tsc_aux), "IA32_TSC_AUX",
    "the vCPU's own; RDTSCP and RDPID read it")
MSR(0xc0000104, 0xc0000104, AMD, ABSENT, "TSC_RATIO", "no SVM")
MSR(0xc0000105, 0xc0000105, AMD, ABSENT, "IRPERF_COUNT", "not offered by CPUID")
MSR(0xc0000408, 0xc000040a, AMD, ABSENT, "MC4_MISC1-3", "no banks")
MSR(0xc0010000, 0xc0010003, AMD, KEEPS(0, ~0ull), "PERF_LEGACY_CTL0-3",
    "every AMD64 CPU has them, without a CPUID bit; nothing is counted")
MSR(0xc0010004, 0xc0010007, AMD, KEEPS(0, ~0ull), "PERF_LEGACY_CTR0-3",
    "they read what was written and stand still")
MSR(0xc0010010, 0xc0010010, AMD, IGNORES(0), "SYSCFG", "TOP_MEM2 is off; no encryption")
MSR(0xc0010015, 0xc0010015, AMD, KEEPS(0x1000001, 0x7efffffe), "HWCR",
    "SMM is locked, the TSC runs at P0's rate; the other bits are kept without effect")
MSR(0xc0010016, 0xc0010016, AMD, KEEPS(0, 0x000ffffffffff018ull), "IORRBase0",
    "kept without effect")
MSR(0xc0010017, 0xc0010017, AMD, KEEPS(0, 0x000ffffffffff800ull), "IORRMask0",
    "kept without effect")
MSR(0xc0010018, 0xc0010018, AMD, KEEPS(0, 0x000ffffffffff018ull), "IORRBase1",
    "kept without effect")
MSR(0xc0010019, 0xc0010019, AMD, KEEPS(0, 0x000ffffffffff800ull), "IORRMask1",
    "kept without effect")
MSR(0xc001001a, 0xc001001a, AMD, CALLS(read_top_mem, write_nothing), "TOP_MEM",
    "where the guest's RAM below 4 GiB ends; it stays there")
MSR(0xc001001d, 0xc001001d, AMD, CALLS(read_top_mem2, write_nothing), "TOP_MEM2",
    "where the RAM from 4 GiB on ends, or 4 GiB; it stays there")
MSR(0xc001001f, 0xc001001f, AMD, IGNORES(0), "NB_CFG", "there is no northbridge")
MSR(0xc0010022, 0xc0010022, AMD, ABSENT, "MC_EXP_REDIR", "machine checks are the host's")
MSR(0xc0010030, 0xc0010035, AMD, CALLS(read_name, write_nothing), "Processor_Name_String",
    "as CPUID has it")
MSR(0xc0010044, 0xc001004f, AMD, ABSENT, "MCn_CTL_MASK", "no banks")
MSR(0xc0010055, 0xc0010055, AMD, IGNORES(0), "Interrupt pending message",
    "no C1E, whose erratum it is for")
MSR(0xc0010056, 0xc0010056, AMD, ABSENT, "SMI_TRIGGER_IO_CYCLE", "no SMM")
MSR(0xc0010058, 0xc0010058, AMD, IGNORES(0), "MMIO configuration base", "off: ACPI's MCFG")
MSR(0xc0010061, 0xc0010068, AMD, ABSENT, "P-state registers",
    "CPUID does not offer hardware P-states")
MSR(0xc0010074, 0xc0010074, AMD, ABSENT, "CPU_Watchdog_Timer", "not every CPU has it")
MSR(0xc0010111, 0xc0010111, AMD, READS(0x30000), "SMM_BASE", "no SMM, and locked by HWCR")
MSR(0xc0010112, 0xc0010113, AMD, READS(0), "SMM_ADDR, SMM_MASK", "no SMM, and locked by HWCR")
MSR(0xc0010114, 0xc0010114, AMD, READS(0x10), "VM_CR", "SVM is off")
MSR(0xc0010115, 0xc0010118, AMD, ABSENT, "IGNNE, SMM_CTL, VM_HSAVE_PA, SVM_KEY", "no SVM")
MSR(0xc0010119, 0xc001011b, AMD, ABSENT, "SMM_KEY, SMI status, doorbell", "no SMM, no AVIC")
MSR(0xc0010140, 0xc0010141, AMD, ABSENT, "OSVW_ID_Length, OSVW_Status",
    "not offered by CPUID")
MSR(0xc0010200, 0xc001020b, AMD, ABSENT, "PERF_CTL0-5, PERF_CTR0-5",
    "CPUID does not offer the extended counters")
MSR(0xc0010230, 0xc0010247, AMD, ABSENT, "L2 and northbridge counters", "not offered by CPUID")
MSR(0xc0011004, 0xc0011007, AMD, ABSENT, "CPUID overrides", "firmware's")
MSR(0xc0011019, 0xc001101b, AMD, ABSENT, "DR1-3_ADDR_MASK", "not offered by CPUID")
MSR(0xc0011022, 0xc0011022, AMD, IGNORES(0), "DC_CFG", "drivers set errata bits in it")
MSR(0xc0011027, 0xc0011027, AMD, ABSENT, "DR0_ADDR_MASK", "not offered by CPUID")
MSR(0xc0011029, 0xc0011029, AMD, IGNORES(2), "DE_CFG", "LFENCE is serialising")
MSR(0xc001102a, 0xc001102a, AMD, IGNORES(0), "BU_CFG2", "drivers set errata bits in it")
MSR(0xc0011030, 0xc001103d, AMD, ABSENT, "IBS_*", "not offered by CPUID")
/* clang-format on */
