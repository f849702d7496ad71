"""Drivers of disk controllers when things go wrong: writes that fail once or for good, a disk
that does not answer, one that is pulled out, and power-off. One machine, one Linux guest.

That data is what was written, for every driver, is test_storage.py's; what QEMU's controllers
can't be made to do is in tests/unit/test_nvme.c and test_ahci.c.
"""

import json
import re

import pytest

from tests.conftest import housekeeping
from tests.system.terminal import STAMP, Terminal

DISK_MIB = 32
BAD, ONCE = 61440, 62464  # sectors that can't be written; only at first

# Ports through which a Q35's operating system lets go of a device that shall be pulled out.
HOTPLUG_EJECT, HOTPLUG_SELECT = 0xCC8, 0xCD0

# The guest's disks by their serial numbers, vda first, and what they are plugged into.
DEVICES = {
    "d-nvme": ["-device", "nvme,drive=d-nvme,serial=d-nvme"],
    "d-sata": ["-device", "ich9-ahci,id=sata",
               "-device", "ide-hd,bus=sata.2,drive=d-sata,serial=d-sata,rotation_rate=1",
               "-device", "ide-cd,bus=sata.1"],
    "d-two-n2": ["-device", "nvme,id=two,serial=d-two",
                 "-device", "nvme-ns,bus=two,nsid=1,drive=d-two-n1",
                 "-device", "nvme-ns,bus=two,nsid=2,drive=d-two-n2,logical_block_size=4096,"
                            "physical_block_size=4096"],
    "d-pulled": ["-device", "pcie-root-port,id=hole,chassis=1,slot=1",
                 "-device", "nvme,bus=hole,id=pulled,drive=d-pulled,serial=d-pulled"],
}
CONFIG = f"""
host: {{housekeeping: HOUSEKEEPING}}
guests:
  - name: io
    cpus: {{count: 2}}
    memory: 256 MiB
    disks:
{"".join(f'      - {{source: "disk:{serial}"}}' + chr(10) for serial in DEVICES)}
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=io"
"""


def backend(directory, name, rules=()):
    """QEMU's options for a disk image below a layer that fails and stops as it is told."""
    path = directory / f"{name}.img"
    with open(path, "wb") as file:
        file.truncate(DISK_MIB << 20)
    layer = {"driver": "blkdebug", "image": {"driver": "file", "filename": str(path)}}
    if rules:
        layer["inject-error"] = rules
    return ["-blockdev", json.dumps({"driver": "raw", "node-name": name, "file": layer})]


def bad_sectors():
    """Rules of blkdebug: writes to BAD fail, those to ONCE fail at first."""
    return [{"event": "none", "iotype": "write", "errno": 5, "sector": sector, "once": once}
            for sector, once in ((BAD, False), (ONCE, True))]


def counters(terminal, serial):
    """What the operator is told of a disk: its numbers by their names."""
    lines = terminal.operator("disks")
    at = next(i for i, line in enumerate(lines) if f"serial {serial}," in line)
    text = " ".join(lines[at + 1:at + 3])
    return {name: int(n) for name, n in re.findall(r"([a-z][a-z ]*?) (\d+)", text)}


def dd(disk, sector):
    """A command of the guest that writes 4 KiB there, past its cache."""
    return (f"dd if=pattern of=/dev/{disk} bs=4k seek={sector // 8} count=1 oflag=direct "
            "2>/dev/null")


def writes(terminal, disk, sector, times=1):
    """How many of so many writes succeed."""
    said = terminal.shell("io", f"n=0; for i in $(seq {times}); do {dd(disk, sector)} && "
                                "n=$((n + 1)); done; echo good=$n", 120)
    return int(re.search(r"good=(\d+)", said).group(1))


def troubles(machine, disk):
    """What the log says of a disk after the start."""
    return re.findall(rf"^{STAMP}({disk}: (?:warning|error): .*)$", machine.output, re.M)


def check_found(machine):
    for line in (r"nvme1: 32 MiB, blocks of 512, QEMU NVMe Ctrl, serial d-nvme, pci:00:\S+",
                 r"nvme2n1: 32 MiB, blocks of 512, .*, serial d-two-n1, pci:\S+/n1",
                 r"nvme2n2: 32 MiB, blocks of 4096, .*, serial d-two-n2, pci:\S+/n2",
                 r"sata0: 32 MiB, blocks of 512, QEMU HARDDISK, serial d-sata, pci:\S+/port2",
                 r"nvme3: 32 MiB, .*, serial d-pulled, pci:01:00.0"):
        assert machine.count(rf"disk: {line}"), line
    assert machine.count(r"port 1: a drive of discs or tapes \(ATAPI\): not used") == 1


def check_data(terminal):
    """Blocks of each disk come back; the one of 4096 bytes takes odd sizes of files too."""
    terminal.shell("io", "dd if=/dev/urandom of=pattern bs=1k count=2000 2>/dev/null")
    for disk in ("vda", "vdb", "vdc"):
        said = terminal.shell("io", f"cat pattern >/dev/{disk}; sync; "
                                    "echo 3 >/proc/sys/vm/drop_caches; "
                                    f"head -c 2048000 /dev/{disk} | cmp - pattern && "
                                    f"echo {disk} is the same", 60)
        assert f"{disk} is the same" in said, said


def check_errors(machine, terminal, disk, serial, name, words):
    """The guest gets an error for what can't be written and for nothing else; one line tells
    the operator, whatever the guest repeats."""
    assert writes(terminal, disk, ONCE) == 1
    assert counters(terminal, serial)["tried again"] >= 1
    assert counters(terminal, serial)["errors"] == 0
    assert writes(terminal, disk, BAD, times=20) == 0
    assert writes(terminal, disk, BAD + 8, times=3) == 3
    assert counters(terminal, serial)["errors"] == 20
    assert counters(terminal, serial)["resets"] == 0
    lines = troubles(machine, name)
    assert len(lines) == 1, lines
    assert re.search(words, lines[0]), lines


def pull_out(machine):
    """The device goes, as if by a hand that did not ask."""
    machine.qmp("device_del", id="pulled")
    machine.monitor(f"o/w {HOTPLUG_SELECT:#x} 0")
    machine.monitor(f"o/w {HOTPLUG_EJECT:#x} 1")
    assert "pulled" not in machine.monitor("info qtree").split("dev:")[1:]


def check_pulled_out(machine, terminal):
    """A controller that is not there any more is noticed at the next request, before a deadline
    has passed."""
    pull_out(machine)
    assert writes(terminal, "vdd", 0, times=3) == 0
    machine.rewind(0)
    machine.expect("^.*nvme3: error: .*, and it can't be brought back: the disk is gone", 1)
    assert len(troubles(machine, "nvme3")) == 1, troubles(machine, "nvme3")
    assert counters(terminal, "d-pulled")["timeouts"] == 0
    assert any("nvme3" in line and "GONE" in line for line in terminal.operator("disks"))
    assert any("] disk-gone nvme3: " in line for line in terminal.operator("events"))


def check_silence(machine, terminal):
    """A write that is not answered in time is not lost when the answer comes after all."""
    machine.monitor('qemu-io d-two-n2 "break write_aio stop"')
    terminal.shell("io", f"({dd('vdc', 0)}; echo status=$? >/tmp/vdc) &")
    machine.expect("^.*nvme2: warning: .*no answer for 10 s", 40)
    machine.monitor('qemu-io d-two-n2 "resume stop"')
    said = terminal.shell("io", "wait; cat /tmp/vdc", 40)
    assert "status=0" in said, said
    assert counters(terminal, "d-two-n2")["timeouts"] == 1
    assert writes(terminal, "vdc", 0, times=3) == 3


@pytest.mark.parametrize("cpus", housekeeping("[0, 1]"))
def test_disks_that_fail(boot, tmp_path, cpus):
    extra = ["-trace", "pci_nvme_mmio_shutdown_set"]
    for name in ("d-nvme", "d-sata"):
        extra += backend(tmp_path, name, bad_sectors())
    for name in ("d-two-n1", "d-two-n2", "d-pulled", "d-virtio"):
        extra += backend(tmp_path, name)
    for options in DEVICES.values():
        extra += options
    extra += ["-device", "virtio-blk-pci,drive=d-virtio"]  # nobody's: its cache is flushed too
    machine = boot(CONFIG.replace("HOUSEKEEPING", cpus), extra=extra, limit_s=400)
    machine.expect(r"^io\| guest io ready: .*$", 240)
    terminal = Terminal(machine, ["io"])

    check_found(machine)
    check_data(terminal)
    check_errors(machine, terminal, "vda", "d-nvme", "nvme1", "write of 4096 bytes at .*: "
                 "write fault; it is tried again")
    check_errors(machine, terminal, "vdb", "d-sata", "sata0", "write of 4096 bytes at .*: "
                 "command aborted; it is tried again")
    check_pulled_out(machine, terminal)
    check_silence(machine, terminal)

    assert not machine.count("pci_nvme_mmio_shutdown_set")
    machine.send("\x1dqq\x1dqq")  # at once: a disk that does not answer holds its guest up
    machine.wait(60)
    machine.stop()
    assert machine.count("pci_nvme_mmio_shutdown_set") == 3  # of those that are there
