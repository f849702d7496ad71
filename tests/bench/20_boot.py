"""From power-on to a guest's init, beside the same kernel and initramfs with no hypervisor.

Wall clock of one emulated machine after the other, the best of three each: only their ratio says
much. The hypervisor's guest has one vCPU with a CPU of its own; the machine without one has one
CPU. Both start in OVMF.
"""

import pathlib
import re
import subprocess
import tempfile
import threading
import time

from figures import ROOT, record

from tools.qemu.machine import Machine, MachineError, command, fresh_variables

SAMPLES = ROOT / "build/samples"
CONFIG = """
guests:
  - name: alpha
    cpus: {count: 1, pin: [1]}
    memory: 512 MiB
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=alpha"
"""
READY = r"guest alpha ready"
UPTIME = r"guest alpha: up (\d+\.\d+) s"
RUNS = 3
LIMIT_S = 120


def with_hypervisor(image):
    """Seconds from power-on and from the guest's start to its init, and milliseconds from the
    boot application's entry to the guest's first instruction."""
    begin = time.monotonic()
    with Machine(image, name="bench-boot", cpus=2, memory_mib=1024) as machine:
        started = machine.expect(r"\[ *(\d+\.\d+)\] alpha: started", 120)
        created = time.monotonic()
        machine.expect(READY, 120)
        end = time.monotonic()
    return end - begin, end - created, float(started.group(1)) * 1000


def without(directory):
    """Seconds from power-on to init, and those of them that the kernel's own clock counts."""
    words = command("/dev/null", fresh_variables(directory), cpus=1, memory_mib=512)
    disk = [i for i, word in enumerate(words) if word.startswith(("if=none", "nvme"))]
    words = [word for i, word in enumerate(words) if i not in disk and i + 1 not in disk]
    words += ["-kernel", SAMPLES / "vmlinuz", "-initrd", SAMPLES / "initrd.gz",
              "-append", "console=ttyS0 quiet bulkhead.name=alpha"]
    begin = time.monotonic()
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, errors="replace")
    watchdog = threading.Timer(LIMIT_S, process.kill)
    watchdog.start()
    end = uptime = None
    for line in process.stdout:
        if READY in line:
            end = time.monotonic()
        if match := re.search(UPTIME, line):
            uptime = float(match.group(1))
            break
    watchdog.cancel()
    process.kill()
    process.wait()
    if end is None or uptime is None:
        raise MachineError("without a hypervisor the guest did not come up")
    return end - begin, uptime


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        document, image = directory / "boot.yaml", directory / "boot.img"
        document.write_text(CONFIG, encoding="utf-8")
        subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                        f"{SAMPLES / 'vmlinuz'}=vmlinuz", f"{SAMPLES / 'initrd.gz'}=initrd.gz"],
                       check=True)
        ours, bare = [], []
        for _ in range(RUNS): # alternating, so that a busy build machine hurts both
            ours.append(with_hypervisor(image))
            bare.append(without(directory))
    power_on, create, first = (min(run[i] for run in ours) for i in range(3))
    bare_power_on, bare_create = (min(run[i] for run in bare) for i in range(2))
    wall = f"wall clock, best of {RUNS}"
    record("boot.power_on_to_guest", round(power_on, 2), "s", wall)
    record("boot.power_on_to_guest_bare", round(bare_power_on, 2), "s", wall)
    record("boot.ratio_to_bare", round(power_on / bare_power_on, 2), "ratio", wall, 1.5)
    record("boot.create_to_init", round(create, 2), "s", wall + ", from the guest's start")
    record("boot.create_to_init_bare", round(bare_create, 2), "s",
           wall + ", as the kernel's uptime")
    record("boot.create_ratio_to_bare", round(create / bare_create, 2), "ratio", wall, 1.5)
    record("boot.firmware_to_first_instruction", round(first), "ms",
           "the hypervisor's clock, from the boot application's entry, disk reads included", 500)


main()
