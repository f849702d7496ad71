"""A new kernel beside the old one: it is started once, and kept when it came up; otherwise the
next start is the old one's. The boot application decides, and the kernel says that it came up."""

import subprocess

import pytest

from tests.conftest import ROOT, make_image
from tools.qemu.machine import Machine

KERNEL = ROOT / "build/kernel.elf"
WITNESS = ROOT / "build/boot/witness.elf"  # a kernel that ends before it is up
UP_S = 120
SETTLED_S = 30  # that a new kernel runs before it counts as having come up


@pytest.fixture(name="stick")
def fixture_stick(tmp_path):
    """make(kernel, new): an image with these two; start(name) is a run of it that may write;
    command(tool, words...) changes it by mtools."""
    image = tmp_path / "upgrade.img"

    def make(kernel, new):
        make_image(image, "guests: []\n", {"kernel.new": new})
        command("mcopy", "-o", kernel, "::bulkhead/kernel.elf")

    def command(tool, *words):
        subprocess.run([tool, "-i", f"{image}@@1M", *words], check=True)

    def start(name):
        return Machine(image, name=f"upgrade-{name}", limit_s=300, cpus=1, snapshot=False)

    def read(path):
        done = subprocess.run(["mcopy", "-i", f"{image}@@1M", f"::bulkhead/{path}", "-"],
                              check=False, capture_output=True)
        return done.stdout if done.returncode == 0 else None
    return make, start, read, command


def off(machine):
    machine.expect(r"boot: up \d+ ms", UP_S)
    machine.send("\x1dqq")
    machine.wait(60)


def test_one_that_does_not_come_up_is_tried_once(stick):
    make, start, read, _ = stick
    make(KERNEL, WITNESS)
    with start("fails") as machine:
        machine.expect(r"kernel\.new is tried, once", 60)
        machine.expect(r"^on trial 1$", 60)
        machine.expect(r"^witness: done", 60)
    with start("back") as machine:
        machine.expect(r"kernel\.new was tried and did not come up: this is kernel\.elf", 60)
        off(machine)
    assert read("kernel.elf") == KERNEL.read_bytes()
    assert read("disks/kernel.try").startswith(b"fails")
    # Another in its place is tried again.
    make(KERNEL, KERNEL)
    with start("another") as machine:
        machine.expect(r"kernel\.new is tried, once", 60)


def test_one_that_came_up_is_kept(stick):
    make, start, read, command = stick
    make(WITNESS, KERNEL)
    with start("new") as machine:
        machine.expect(r"kernel\.new is tried, once", 60)
        machine.expect(r"boot: up \d+ ms", UP_S)
        assert "this new kernel came up" not in machine.output
        machine.expect(r"boot: this new kernel came up: the next start keeps it", 2 * SETTLED_S)
        machine.send("\x1dqq")
        machine.wait(60)
    # It is started as it is where the one before can't be renamed, which is said.
    command("mattrib", "+r", "::bulkhead/kernel.elf")
    with start("stuck") as machine:
        machine.expect(r"kernel\.elf can't be renamed to kernel\.old", 60)
        off(machine)
    assert read("kernel.elf") == WITNESS.read_bytes()
    command("mattrib", "-r", "::bulkhead/kernel.elf")
    with start("kept") as machine:
        machine.expect(r"kernel\.new came up: it is kernel\.elf now, and the one before is "
                       r"kernel\.old", 60)
        off(machine)
    assert read("kernel.elf") == KERNEL.read_bytes()
    assert read("kernel.old") == WITNESS.read_bytes()
    assert read("kernel.new") is None and read("disks/kernel.try") is None
    with start("after") as machine:
        off(machine)
    assert "kernel.new" not in machine.output


def test_the_one_before_is_started_where_none_else_is_there(stick):
    make, start, _, command = stick
    make(KERNEL, WITNESS)
    command("mren", "::bulkhead/kernel.elf", "::bulkhead/kernel.old")
    command("mdel", "::bulkhead/kernel.new")
    with start("old") as machine:
        machine.expect(r"kernel\.elf is missing: kernel\.old is started instead", 60)
        off(machine)


def test_one_that_is_cut_is_passed_over(stick, tmp_path):
    make, start, read, _ = stick
    whole = KERNEL.read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[:len(whole) // 2])
    make(KERNEL, cut)
    with start("cut") as machine:
        machine.expect(r"kernel\.new is passed over, it is no kernel: ", 60)
        off(machine)
    assert read("disks/kernel.try") is None
