"""Instructions per exit and per first touch of memory.

QEMU's -icount makes the TSC count executed instructions, the hypervisor's included; the guest
program tests/guest/bench.c takes the minimum over rounds. It runs once as a guest and once on
the emulated machine itself, whose figures are what the hypervisor adds to.
"""

import pathlib
import subprocess
import tempfile

from figures import CONFIG, PROGRAM, ROOT, record, results

from tools.qemu.machine import CPU, Machine

ICOUNT = ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]
ONE = "tcg,thread=single"
HOW = "TSC under -icount shift=0, minimum of 8 rounds of 500 less the empty loop"


def as_guest(directory):
    document, image = directory / "bench.yaml", directory / "bench.img"
    document.write_text(CONFIG, encoding="utf-8")
    subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                    f"{PROGRAM}=bench.elf"], check=True)
    with Machine(image, name="bench-exits", limit_s=600, cpus=1, memory_mib=1024, accel=ONE,
                 extra=ICOUNT) as machine:
        machine.expect(r"bench: exited with status 0", 500)
        return results(machine.output)


def bare():
    run = subprocess.run(
        ["timeout", "120", "qemu-system-x86_64", "-machine", "q35", "-accel", ONE, *ICOUNT,
         "-cpu", CPU, "-smp", "1", "-m", "1024", "-nodefaults", "-display", "none",
         "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
         "-kernel", PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False)
    return results(run.stdout)


def main():
    with tempfile.TemporaryDirectory() as directory:
        guest = as_guest(pathlib.Path(directory))
    without = bare()
    limits = {"cpuid": 700, "in_3fd": 900, "vmmcall": 600}
    for name in ("cpuid", "in_3fd", "vmmcall", "out_80", "apic_mmio_read", "rdmsr_apic_base",
                 "wrmsr_tsc_deadline", "x2apic_eoi", "kick_port", "kick_memory"):
        if name in guest:
            record(f"exit.{name}", guest[name], "instructions", HOW, limits.get(name))
    touch = "per 4 KiB page, 64 MiB touched page by page, less the same without a hypervisor"
    record("page.first_touch", guest["touch_mean"] - without["touch_mean"], "instructions",
           touch, 1000)
    record("page.first_touch_2m", guest["touch_2m"] - without["touch_2m"], "instructions",
           "the touch that populates (zeroes) 2 MiB, less the same without a hypervisor")
    record("page.next_touch", guest["touch_rest"] - without["touch_rest"], "instructions",
           "per further 4 KiB page of a populated 2 MiB, less the same without a hypervisor")


main()
