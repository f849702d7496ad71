"""The include-layer check finds each kind of forbidden arrow, and lets the others be."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

FORBIDDEN = [
    ("boot/main.c", "kernel/lib/types.h"),
    ("kernel/lib/list.h", "kernel/log/log.h"),
    ("kernel/log/panic.c", "kernel/mem/frames.h"),
    ("kernel/cpu/traps.c", "kernel/mem/frames.h"),
    ("kernel/mem/heap.c", "kernel/sched/thread.h"),
    ("kernel/sched/thread.c", "kernel/io/blkdev.h"),
    ("kernel/io/acpi.c", "kernel/vmm/vm.h"),
    ("kernel/vmm/vm.c", "kernel/vmm/svm/svm.h"),
    ("kernel/vmm/svm/svm.c", "kernel/vmm/vmx/vmx.h"),
    ("kernel/vmm/emul/decode.c", "kernel/vmm/vm.h"),
    ("kernel/vmm/vm.c", "guests/guest/guest.h"),
    ("drivers/block/nvme.c", "kernel/vmm/vm.h"),
    ("drivers/block/nvme.c", "net/stack.h"),
    ("guests/linux.c", "drivers/bus/pci.h"),
    ("guests/views/guest.c", "kernel/vmm/vm.h"),
    ("guests/views/guest.h", "kernel/io/blkdev.h"),
    ("guests/views/json.c", "guests/views/collect/collect.h"),
    ("guests/console/report.c", "guests/guest/guest.h"),
    ("guests/console/report_disks.c", "kernel/io/storage.h"),
    ("guests/linux.c", "boot/handoff.h"),
    ("net/nfs.c", "kernel/vmm/vm.h"),
    ("net/nfs.c", "drivers/bus/pci.h"),
    ("net/api.c", "guests/config/config.h"),
]
ALLOWED = [
    ("boot/main.c", "boot/handoff.h"),
    ("kernel/main.c", "drivers/bus/pci.h"),
    ("kernel/main.c", "kernel/vmm/svm/svm.h"),
    ("kernel/mem/frames.c", "boot/handoff.h"),
    ("kernel/mem/heap.c", "kernel/log/log.h"),
    ("kernel/vmm/svm/svm.c", "kernel/vmm/backend.h"),
    ("kernel/vmm/vm.c", "kernel/vmm/emul/decode.h"),
    ("drivers/block/nvme.c", "kernel/io/blkdev.h"),
    ("guests/linux.c", "kernel/vmm/gmem.h"),
    ("guests/views/collect/guests.c", "kernel/vmm/vm.h"),
    ("guests/console/report.c", "guests/views/guest.h"),
    ("net/api.c", "guests/guest/guest.h"),
    ("net/api.c", "guests/views/guest.h"),
]


def check(root, source, target):
    """Exit status and output of the check over a tree with just this include."""
    for path in (target, source):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / source).write_text(f'#include <stdint.h>\n#include "{target}"\n', encoding="utf-8")
    done = subprocess.run([ROOT / "tools/layers/check", "--root", root], text=True,
                          stdout=subprocess.PIPE, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize("source,target", FORBIDDEN)
def test_forbidden(tmp_path, source, target):
    status, output = check(tmp_path, source, target)
    assert (status, output) == (1, f"{source}:2: may not include {target}\n")


@pytest.mark.parametrize("source,target", ALLOWED)
def test_allowed(tmp_path, source, target):
    assert check(tmp_path, source, target) == (0, "")


def test_path_starts_at_the_root(tmp_path):
    (tmp_path / "kernel/lib").mkdir(parents=True)
    (tmp_path / "kernel/lib/a.h").touch()
    (tmp_path / "kernel/lib/b.h").write_text('#include "a.h"\n', encoding="utf-8")
    done = subprocess.run([ROOT / "tools/layers/check", "--root", tmp_path], text=True,
                          stdout=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert "kernel/lib/b.h:1: no a.h" in done.stdout
