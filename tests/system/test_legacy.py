"""Linux guests that are told to do without what came after the PC of 1995: APICs, message-signalled
interrupts, ACPI and what it says of PCI, clocks that need no calibration. Each finds its disk and
reaches another on the network, with interrupts that it counts, and then reboots, each in another
way. One machine, one start of each guest.

The wires and tables themselves are tests/unit's and tests/guest's.
"""

import re
from typing import NamedTuple

import pytest

from tests.conftest import LINUX, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

BOOT_S = 400  # of all guests, with other work on the build machine

# How devices' interrupts arrive, as /proc/interrupts names it.
PIC, IOAPIC, MSI = "XT-PIC", "IO-APIC", "PCI-MSI"
RESET_BY_PORT = "reset: the guest reset itself (port 0xcf9)"


class Way(NamedTuple):
    """How a guest of two CPUs is started, and what then is right."""
    cmdline: str
    cpus: int
    interrupts: str
    reboot: str
    ends: str = RESET_BY_PORT


# The sample kernel has no code for MP tables: without ACPI it has one CPU, and no I/O APIC. Without
# EFI's runtime services reboot=efi goes on as reboot=bios. A triple fault may be a mistake as well as
# a wish, and is called a crash; `on_crash: restart` obeys it.
WAYS = {
    "nolapic": Way("nolapic", 1, PIC, "bios"),
    "pic": Way("noapic pci=nomsi", 2, PIC, "efi"),
    "noacpi": Way("acpi=off", 1, PIC, "kbd",
                  "reset: the guest reset itself (keyboard controller)"),
    "pci-noacpi": Way("pci=noacpi", 1, PIC, "pci"),
    "conf1": Way("pci=nomsi,conf1,nocrs,realloc", 2, IOAPIC, "acpi"),
    "oldest": Way("acpi=off nolapic notsc no-kvmclock pci=conf1", 1, PIC, "triple",
                  "error: crashed: vCPU 0: triple fault"),
    "pit": Way("noapictimer no-kvmclock clocksource=acpi_pm maxcpus=1", 1, MSI, "force"),
    "nosmp": Way("nosmp notsc no-kvmclock lpj=4000000", 1, MSI, "pci"),
}
NAMES = list(WAYS)
PEER = 1  # the number of the guest that all reach; it reaches the next


def document():
    guests = "".join(f"""
  - name: {name}
    cpus: {{count: 2}}
    memory: 128 MiB
    on_reboot: stop
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet {way.cmdline} reboot={way.reboot} bulkhead.name={name}"
    disks: [{{source: "ram:8 MiB"}}]
    nics: [{{network: lan}}]
""" for name, way in WAYS.items())
    return f"networks: [{{name: lan}}]\nguests:\n{guests}"


def address(number):
    return f"10.9.0.{number}"


@pytest.fixture(name="terminal", scope="module")
def fixture_terminal(tmp_path_factory):
    """All guests, up and with addresses."""
    image = make_image(tmp_path_factory.mktemp("legacy") / "legacy.img", document(), LINUX)
    with Machine(image, name="legacy", limit_s=1800) as machine:
        begin = machine.mark()
        for name in NAMES:
            machine.rewind(begin)
            machine.expect(rf"^{name}\| guest {name} ready: .*$", BOOT_S)
        terminal = Terminal(machine, NAMES)
        for number, name in enumerate(NAMES, 1):
            terminal.shell(name, f"ip addr add {address(number)}/24 dev eth0; ip link set eth0 up")
        yield terminal


def device_interrupts(terminal, name):
    """By which controllers virtio devices' interrupts arrive, and how many did for each driver's
    number."""
    counts, controllers = {}, set()
    for line in terminal.shell(name, "cat /proc/interrupts").splitlines():
        found = re.match(r" *\d+: +((?:\d+ +)+)(\S+) .*virtio", line)
        if found:
            controllers.add(found[2])
            for device in re.findall(r"virtio(\d)", line):
                count = sum(int(word) for word in found[1].split())
                counts[device] = counts.get(device, 0) + count
    return controllers, counts


@pytest.mark.parametrize("name", NAMES)
def test_devices_work(terminal, name):
    """virtio0 is the disk, virtio1 the NIC: both interrupt, by the controller that Linux was left,
    each time that there is something to do."""
    way = WAYS[name]
    ready = re.search(rf"guest {name} ready: cpus=(\d+) ", terminal.machine.output)
    assert int(ready[1]) == way.cpus
    _, before = device_interrupts(terminal, name)
    other = PEER if name != NAMES[PEER - 1] else PEER + 1
    said = terminal.shell(name, "for n in 1 2 3 4; do dd if=/dev/vda of=/dev/null bs=4k count=1 "
                                "skip=${n}0 iflag=direct; done 2>&1; "
                                f"ping -c 4 -w 60 {address(other)}", 120)
    assert len(re.findall("^1\\+0 records out", said, re.M)) == 4, said
    assert "4 packets received" in said, said
    controllers, after = device_interrupts(terminal, name)
    assert controllers == {way.interrupts}
    for device in ("0", "1"):
        assert after[device] >= before[device] + 4, f"virtio{device}: {before}, {after}"
    assert "nobody cared" not in terminal.machine.output


@pytest.mark.parametrize("name", NAMES)
def test_time_goes_on(terminal, name):
    """Whatever clock is left to it: sleeping takes as long as the guest says, and no less."""
    said = terminal.shell(name, "cat /proc/uptime; sleep 1; cat /proc/uptime", 60)
    before, after = (float(each) for each in re.findall(r"^(\d+\.\d+) \d+\.\d+$", said, re.M))
    assert 1 <= after - before


@pytest.mark.parametrize("name", NAMES)
def test_reboots(terminal, name):
    terminal.keyboard(name)
    begin = terminal.machine.mark()
    terminal.machine.send("reboot -f\n")
    terminal.machine.rewind(begin)
    terminal.machine.expect(rf"\] {name}: {re.escape(WAYS[name].ends)}", 60)
