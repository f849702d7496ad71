"""The UEFI application alone: what it hands over, and how it refuses.

The kernel here is tests/boot/witness.c, which checks the hand-off from within.
"""

import re
import struct
import subprocess
import zlib

import pytest

from tests.conftest import ROOT
from tools.qemu.machine import Machine

BOOT = ROOT / "build/BOOTX64.EFI"
WITNESS = ROOT / "build/boot/witness.elf"
FRAGMENT = ROOT / "build/boot/fragment.efi"


@pytest.fixture
def start(request, tmp_path):
    """start(...) boots a machine from a partition with these files and returns it."""
    machines = []

    def start_machine(application=BOOT, kernel=WITNESS, files=None, without=None, **options):
        image = tmp_path / "boot.img"
        config = tmp_path / "bulkhead.yaml"
        config.write_text("host: {name: witness}\n", encoding="utf-8")
        words = [f"{source}={path}" for path, source in (files or {}).items()]
        subprocess.run([ROOT / "tools/image/mkimage", image, "--boot", application,
                        "--kernel", kernel, "--config", config, *words], check=True)
        if without:
            subprocess.run(["mdel", "-i", f"{image}@@1M", f"::bulkhead/{without}"], check=True)
        name = re.sub(r"\W+", "-", request.node.name)
        machine = Machine(image, name=name, limit_s=120, cpus=1, **options)
        machines.append(machine)
        return machine.start()

    yield start_machine
    for machine in machines:
        machine.stop()


def test_the_handoff_keeps_its_promises(start, tmp_path):
    """Also with a memory map of thousands of entries that changes at the last moment, RAM above
    4 GiB and a screen."""
    contents = {
        "large.img": bytes(range(251)) * (9 << 12),
        "guests/Some Where/deep": b"x" * 4096,
        "guests/empty": b"",
    }
    files = {"boot.efi": BOOT}
    for number, (path, content) in enumerate(contents.items()):
        files[path] = tmp_path / str(number)
        files[path].write_bytes(content)
    files["Disks/guests.img"] = files["large.img"]  # stays on the partition
    machine = start(application=FRAGMENT, files=files, memory_mib=6144,
                    extra=("-device", "VGA"))
    machine.expect("^witness: done$", 60)

    said = machine.output
    assert "fragment: the key is stale" in said
    assert "wrong:" not in said, re.findall("^wrong:.*", said, re.MULTILINE)
    numbers = {name: int(value) for name, value in re.findall(r"^(.+) (\d+)$", said, re.M)}
    assert numbers["ranges"] > 8000
    assert numbers["of these above 4 GiB"] == 4096
    assert numbers["segments"] == 3
    assert numbers["screen width"] > 0
    assert numbers["kept at MiB"] in (0, 48, 256)
    assert numbers["on trial"] == 0
    assert numbers["entropy bytes"] == 64
    assert numbers["entropy crc32"] != zlib.crc32(bytes(64))
    assert re.search("^config bulkhead.yaml$", said, re.MULTILINE)
    assert re.search(r"large\.img: \d+ of 8 MiB", said), "no progress for a large file"
    for path, content in contents.items():
        assert numbers[f"file {path} bytes"] == len(content)
        assert numbers[f"file {path} crc32"] == zlib.crc32(content)
    assert not [name for name in numbers if "kernel.elf" in name or "guests.img" in name]

    entry = (tmp_path / "boot.img").read_bytes()[1024:1024 + 128]  # the GPT's first
    first, last = struct.unpack("<QQ", entry[32:48])
    assert numbers["partition kind"] == 2
    assert numbers["partition number"] == 1
    assert numbers["partition first"] == first
    assert numbers["partition blocks"] == last - first + 1
    assert numbers["partition crc32"] == zlib.crc32(entry[16:32])


def refuses(machine, reason, remedy, status):
    """It says why and what to do, waits for a key, and gives the firmware an error."""
    machine.expect(f"^Bulkhead cannot start: .*{reason}", 30)
    machine.expect(f"^{remedy}", 5)
    machine.expect("^Press a key", 5)
    assert not machine.count("failed to start"), "it did not wait for a key"
    machine.send(" ")
    machine.expect(f"failed to start Boot.*: {status}", 5)


def test_a_missing_document_is_named(start):
    refuses(start(without="bulkhead.yaml"), r"\\bulkhead\\bulkhead.yaml is missing",
            "Copy that file", "Not Found")


def test_a_missing_kernel_is_named(start):
    refuses(start(without="kernel.elf"), r"\\bulkhead\\kernel.elf is missing",
            "Copy that file", "Not Found")


def test_a_small_machine_is_refused(start):
    refuses(start(memory_mib=96), r"\d+ MiB are free, and 128 MiB are needed",
            "Use a machine with 256 MiB", "Out of Resources")


def test_a_damaged_kernel_is_refused_and_nobody_needs_to_be_there(start, tmp_path):
    damaged = tmp_path / "damaged.elf"
    damaged.write_bytes(WITNESS.read_bytes()[:4200])
    machine = start(kernel=damaged)
    machine.expect(r"^Bulkhead cannot start: \\bulkhead\\kernel.elf is no kernel: .*cut short", 30)
    machine.expect("^Press a key", 5)
    machine.expect("failed to start Boot.*: Load Error", 20)
