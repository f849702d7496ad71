"""Instructions per exit on VMX: the program of 10_exits.py, on an Intel machine in Bochs.

Bochs's TSC counts its CPU's instructions, the hypervisor's included. There is no run without a
hypervisor to subtract, as Bochs has no loader for the program; an instruction that does not exit
takes less than ten.
"""

import pathlib
import re
import subprocess
import tempfile

from figures import ROOT, record

from tools.bochs import machine as bochs

PROGRAM = ROOT / "build/guest/bench.elf"
CONFIG = """
guests:
  - name: bench
    cpus: {count: 1}
    memory: 256 MiB
    boot: {kernel: "esp:/bench.elf"}
    debug_exit: true
"""
HOW = "TSC of one CPU in Bochs, minimum of 8 rounds of 500 less the empty loop"


def results():
    with tempfile.TemporaryDirectory() as directory:
        document = pathlib.Path(directory) / "bench.yaml"
        image = document.with_suffix(".img")
        document.write_text(CONFIG, encoding="utf-8")
        subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                        f"{PROGRAM}=bench.elf"], check=True)
        with bochs.Machine(image, name="bench-exits-vmx", cpus=1) as machine:
            machine.expect(r"bench: exited with status 0$", 500)
            return {name: int(value)
                    for name, value in re.findall(r"BENCH (\w+) (\d+)", machine.output)}


def main():
    if bochs.missing():
        print(f"  VMX figures SKIPPED: {bochs.missing()}")
        return
    guest = results()
    for name in ("cpuid", "in_3fd", "vmcall", "out_80", "apic_mmio_read", "rdmsr_apic_base",
                 "wrmsr_tsc_deadline", "x2apic_eoi"):
        if name in guest:
            record(f"vmx.exit.{name}", guest[name], "instructions", HOW)
    for name in ("touch_mean", "touch_2m", "touch_rest"):
        record(f"vmx.page.{name}", guest[name], "instructions",
               "64 MiB touched page by page: the mean per 4 KiB page, the touch that populates "
               "2 MiB, and the mean of the others")


main()
