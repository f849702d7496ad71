"""Bytes: of the image, of the kernel's text, and of hypervisor memory per guest; and the exits
of a pinned guest that does nothing."""

import pathlib
import re
import subprocess
import tempfile
import time

from figures import ROOT, record

from tools.qemu.machine import Machine

SAMPLES = ROOT / "build/samples"
CONFIG = """
guests:
  - name: alpha
    cpus: {count: 2, pin: [1, 2]}
    memory: 512 MiB
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=alpha"
"""
IDLE_S = 20


def counters(machine):
    """The guest's counters as the operator's console tells them: {name: sum over vCPUs}."""
    machine.send("counters alpha\r")
    machine.expect(r"^counters alpha state=")
    machine.expect(r"^counters alpha vcpu=1 .*\n")
    text = machine.output[machine.output.rindex("counters alpha state="):]
    sums = {}
    for name, value in re.findall(r"([\w.]+)=(\d+)", text):
        sums[name] = sums.get(name, 0) + int(value)
    return sums


def main():
    text = subprocess.run(["size", "-A", ROOT / "build/kernel.elf"], capture_output=True, text=True,
                          check=True).stdout
    record("kernel.text_bytes", int(re.search(r"^\.text\s+(\d+)", text, re.M).group(1)), "bytes",
           "size -A build/kernel.elf")
    parts = ("kernel.elf", "BOOTX64.EFI")
    record("image.bytes", sum((ROOT / "build" / part).stat().st_size for part in parts), "bytes",
           "what a boot partition needs besides guests: " + " and ".join(parts))

    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        document, image = directory / "idle.yaml", directory / "idle.img"
        document.write_text(CONFIG, encoding="utf-8")
        subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                        f"{SAMPLES / 'vmlinuz'}=vmlinuz", f"{SAMPLES / 'initrd.gz'}=initrd.gz"],
                       check=True)
        with Machine(image, name="bench-idle", cpus=3, memory_mib=1024) as machine:
            machine.expect(r"guest alpha ready", 120)
            time.sleep(10) # let it come to rest
            machine.send("\x1dh")
            before, begin = counters(machine), time.monotonic()
            time.sleep(IDLE_S)
            after, seconds = counters(machine), time.monotonic() - begin
    exits = sum(after[key] - before.get(key, 0) for key in after if key.startswith("exits."))
    record("idle.exits_per_s", round(exits / seconds, 1), "exits/s",
           f"both vCPUs of an idle pinned Linux guest, over {IDLE_S} s")
    record("guest.overhead_bytes", after["overhead_bytes"], "bytes",
           "hypervisor memory charged to a guest of 2 vCPUs and 512 MiB, besides its RAM",
           2 << 20)


main()
