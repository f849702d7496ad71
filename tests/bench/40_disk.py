"""Instructions, exits and copies per 4 KiB read and written, at depths 1 and 32.

tests/bench/guest/disk.c runs in a Linux guest on a virtio disk that is a whole disk of the
machine, and in the same kernel with no hypervisor on that disk itself. tools/qemu/count.c counts
what the one emulated CPU executes: the guest's work and the hypervisor's together.
"""

import pathlib
import re
import tempfile

from figures import ROOT, record
from linux import COUNT, FULL, SAMPLES, bare, guest, initramfs

BLOCKS = 2048  # of each kind: COUNT in disk.c
KINDS = {1: "read_1", 3: "write_1", 5: "read_32", 7: "write_32"}
AIM = 1.5  # times the instructions of the bare machine, at depth 32
EXITS = 0.25  # per request, at depth 32

# What the disk is on: QEMU's device, the bare kernel, its name for the disk, and modules for it. The
# cloud kernel has no AHCI.
HOSTS = {
    "nvme": (["-device", "nvme,drive=data,serial=data"], SAMPLES, "/dev/nvme0n1", ["nvme"]),
    "ahci": (["-device", "ide-hd,drive=data,serial=data,bus=ide.0"], FULL, "/dev/sda",
             ["ahci", "sd_mod"]),
    "virtio_blk": (["-device", "virtio-blk-pci,drive=data,serial=data,disable-legacy=on"],
                   SAMPLES, "/dev/vda", []),
}
CONFIG = """
guests:
  - name: bench
    cpus: {count: 1}
    memory: 256 MiB
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.run=\\"/disk /dev/vda; poweroff -f\\""
    disks: [{source: "disk:data", cache: write-back}]
"""


def per_block(output):
    """From the plugin's marks: kind to (instructions, exits) per block."""
    marks = {int(mark): (int(instructions), int(vmruns)) for mark, instructions, vmruns in
             re.findall(r"MARK (\d+) instructions=(\d+) vmruns=(\d+)", output)}
    return {name: tuple((end - begin) / BLOCKS for begin, end in zip(marks[mark], marks[mark + 1]))
            for mark, name in KINDS.items()}


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        disk = directory / "data.img"
        for host, (device, kernel, path, modules) in HOSTS.items():
            disk.write_bytes(b"")
            with open(disk, "r+b") as file:
                file.truncate(64 << 20)
            drive = ["-drive", f"if=none,id=data,format=raw,file={disk},cache=writeback", *device]
            initrd = initramfs(directory, kernel, [ROOT / "build/bench/disk"], modules)
            load = "".join(f"modprobe {module}; " for module in modules) + "sleep 1; "
            ours = guest(directory, CONFIG, kernel, initrd, drive,
                         name=f"bench-disk-{host}", ask="disks")
            without = per_block(bare(kernel, initrd, f"{load}/disk {path}", drive))
            counted = per_block(ours)
            for kind in KINDS.values():
                deep = kind.endswith("32")
                instructions, exits = counted[kind]
                record(f"disk.{host}.{kind}", round(instructions), "instructions",
                       f"per 4 KiB, {COUNT}")
                record(f"disk.{host}.{kind}_bare", round(without[kind][0]), "instructions",
                       f"the same with no hypervisor, {COUNT}")
                record(f"disk.{host}.{kind}_ratio", round(instructions / without[kind][0], 2),
                       "ratio", "of the two", AIM if deep else None)
                record(f"disk.{host}.{kind}_exits", round(exits, 3), "exits",
                       f"VMRUNs per 4 KiB, {COUNT}", EXITS if deep else None)


main()
