"""Kernels that are not Linux, as Debian ships them: all of them on one machine, each as far as it
comes there without a disk; and those that a guest can't start, refused with the reason."""

import re

import pytest

from tests.conftest import LINUX, ROOT, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

KERNELS = ROOT / "build/kernels"
LIMIT_S = 300  # with other work on the build machine

# Name, vCPUs, MiB, what it boots; files are below kernels/.
GUESTS = (
    # Xen is a Multiboot 1 and 2 kernel. Both ways it builds its dom0, Linux.
    ("xen", 2, 512, 'kernel: "esp:/kernels/xen.gz", cmdline: "console=com1 com1=115200", '
     'modules: [{file: "esp:/samples/vmlinuz"}, {file: "esp:/samples/initrd.gz"}]'),
    ("xen2", 1, 512, 'kernel: "esp:/kernels/xen.gz", cmdline: "console=com1 com1=115200", '
     'protocol: multiboot2, '
     'modules: [{file: "esp:/samples/vmlinuz"}, {file: "esp:/samples/initrd.gz"}]'),
    ("mach", 1, 128, 'kernel: "esp:/kernels/gnumach.gz", cmdline: "console=com0"'),
    ("memtest32", 1, 32, 'kernel: "esp:/kernels/memtest86+ia32.bin", '
     'cmdline: "console=ttyS0,115200"'),
    ("memtest64", 1, 32, 'kernel: "esp:/kernels/memtest86+x64.bin", '
     'cmdline: "console=ttyS0,115200"'),
    ("ipxe", 1, 32, 'kernel: "esp:/kernels/ipxe.lkrn"'),
    ("memdisk", 1, 32, 'kernel: "esp:/kernels/memdisk"'),
    *((f"small{mib}", 1, mib, 'kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz"')
      for mib in (56, 64, 66, 68)),
)


@pytest.fixture(name="house", scope="module")
def fixture_house(tmp_path_factory):
    document = "guests:" + "".join(f"""
  - name: {name}
    cpus: {{count: {vcpus}}}
    memory: {mib} MiB
    boot: {{{boot}}}
    autostart: false
    on_reboot: stop""" for name, vcpus, mib, boot in GUESTS) + "\n"
    files = dict(LINUX)
    files.update({f"kernels/{path.name}": path for path in KERNELS.iterdir()})
    image = make_image(tmp_path_factory.mktemp("kernels") / "kernels.img", document, files)
    with Machine(image, name="kernels", limit_s=1200) as machine:
        machine.expect(r"boot: up \d+ ms", LIMIT_S)
        yield Terminal(machine, [guest[0] for guest in GUESTS])


def start(house, name):
    begin = len(house.machine.output)
    house.operator(f"start {name}")
    house.machine.rewind(begin)
    return house.machine


@pytest.mark.parametrize("name", ("xen", "xen2"))
def test_xen_builds_its_dom0(house, name):
    """It reads the BIOS data area, calls the BIOS in real mode, and starts its other CPU."""
    machine = start(house, name)
    machine.expect(rf"^{name}\| .*Xen version", LIMIT_S)
    machine.expect(rf"^{name}\| .*Bootloader: Bulkhead", LIMIT_S)
    base = machine.expect(rf"^{name}\| .*image load base address: (\w+)\s*\n", LIMIT_S)[1]
    assert (int(base, 16) != 0) == (name == "xen2")  # it asks to be moved up, where it can
    cpus = 2 if name == "xen" else 1
    machine.expect(rf"^{name}\| .*Brought up {cpus} CPUs", LIMIT_S)
    machine.expect(rf"^{name}\| .*Freed \d+kB init", LIMIT_S)
    house.operator(f"stop {name} now")


def test_gnu_mach_starts(house):
    """A gzip'd ELF64 file of a 32-bit kernel: it comes to where it wants its servers."""
    machine = start(house, "mach")
    machine.expect(r"^mach\| .*GNU Mach", LIMIT_S)
    machine.expect(r"^mach\| .*physical memory map", LIMIT_S)
    machine.expect(r"^mach\| .*bootstrap", LIMIT_S)
    house.operator("stop mach now")


@pytest.mark.parametrize("name", ("memtest32", "memtest64"))
def test_memtest_passes(house, name):
    """By the 32-bit and the 64-bit entry. It draws a screen, so it has to have the keyboard."""
    machine = start(house, name)
    house.keyboard(name)
    machine.expect(r"Memtest86\+", LIMIT_S)
    machine.expect(r"Test #", LIMIT_S)
    assert not machine.count(rf"{name}: error")
    house.operator(f"stop {name} now")


@pytest.mark.parametrize("name", ("ipxe", "memdisk"))
def test_what_needs_a_bios_is_refused(house, name):
    start(house, name).expect(rf"{name}: error: not started: .*BIOS", LIMIT_S)


@pytest.mark.parametrize("mib", (56, 64, 66, 68))
def test_a_guest_too_small_is_refused(house, mib):
    """It is told how much the kernel and its initrd take, which is the same each time."""
    match = start(house, f"small{mib}").expect(
        rf"small{mib}: error: not started: the kernel needs (\d+) KiB at 0x1000000 to start, and "
        rf"its initrd (\d+) KiB; give the guest more memory: (\d+) MiB at the least", LIMIT_S)
    kernel, initrd, least = (int(number) for number in match.groups())
    assert 16 * 1024 + kernel + initrd <= least * 1024 < 16 * 1024 + kernel + initrd + 4096
    assert least > mib
    assert not re.search(rf"small{mib}: started", house.machine.output)
