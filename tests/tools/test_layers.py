"""The include-layer check finds each kind of forbidden arrow, by whatever way, and circles; it lets
the others be."""

import subprocess

import pytest

from tests.conftest import ROOT, script

TOOL = ROOT / "tools/layers/check"
layers = script("tools/layers/check")

FORBIDDEN = [
    ("boot/main.c", "kernel/lib/types.h"),
    ("kernel/lib/list.h", "kernel/log/log.h"),
    ("kernel/log/panic.c", "kernel/mem/frames.h"),
    ("kernel/log/log.c", "kernel/cpu/cpu.h"),
    ("kernel/cpu/traps.c", "kernel/mem/frames.h"),
    ("kernel/mem/heap.c", "kernel/sched/thread.h"),
    ("kernel/sched/thread.c", "kernel/io/blkdev.h"),
    ("kernel/sched/thread.c", "kernel/libc/locks.h"),
    ("kernel/libc/locks.c", "kernel/io/blkdev.h"),
    ("kernel/io/acpi.c", "kernel/vmm/vm.h"),
    ("kernel/io/acpi.c", "kernel/user/space.h"),
    ("kernel/user/space.c", "kernel/vmm/vm.h"),
    ("kernel/user/space.c", "net/abi/ring.h"),
    ("kernel/vmm/vm.c", "kernel/vmm/svm/svm.h"),
    ("kernel/vmm/vm.c", "kernel/user/space.h"),
    ("kernel/vmm/svm/svm.c", "kernel/vmm/vmx/vmx.h"),
    ("kernel/vmm/vmx/vmx.c", "kernel/vmm/svm/svm.h"),
    ("kernel/vmm/emul/decode.c", "kernel/vmm/vm.h"),
    ("kernel/vmm/vm.c", "guests/guest/guest.h"),
    ("kernel/entry.h", "kernel/io/acpi.h"),
    ("drivers/block/nvme.c", "kernel/vmm/vm.h"),
    ("drivers/block/nvme.c", "net/stack.h"),
    ("guests/linux.c", "drivers/bus/pci.h"),
    ("guests/linux.c", "kernel/vmm/svm/svm.h"),
    ("guests/events/event.c", "guests/guest/guest.h"),
    ("guests/config/bind.c", "kernel/log/log.h"),
    ("guests/config/bind.c", "guests/guest/guest.h"),
    ("guests/views/guest.h", "kernel/vmm/vcpu.h"),
    ("guests/views/guest.c", "guests/guest/guest.h"),
    ("guests/pci/pci.c", "kernel/vmm/vm.h"),
    ("guests/pci/pci.c", "guests/devices/reset.h"),
    ("guests/devices/virtio/blk.c", "kernel/vmm/vm.h"),
    ("guests/devices/uart.c", "guests/console/mux.h"),
    ("guests/guest/life.c", "guests/actions/action.h"),
    ("guests/guest/life.c", "guests/console/mux.h"),
    ("guests/actions/power.c", "guests/console/operator.h"),
    ("net/abi/ring.h", "kernel/lib/types.h"),
    ("net/switch/port.c", "kernel/vmm/vm.h"),
    ("net/switch/port.c", "guests/config/config.h"),
    ("net/plane/proxy.c", "kernel/vmm/vm.h"),
    ("net/plane/proxy.c", "guests/guest/guest.h"),
    ("net/nfs/nfs.c", "kernel/lib/types.h"),
    ("net/nfs/nfs.c", "drivers/bus/pci.h"),
    ("net/nfs/nfs.c", "net/switch/port.h"),
    ("net/api/api.c", "guests/actions/action.h"),
    ("guests/views/guest.c", "kernel/vmm/vm.h"),
    ("guests/views/guest.h", "kernel/io/blkdev.h"),
    ("guests/views/json.c", "guests/views/collect/collect.h"),
    ("guests/views/collect/guests.c", "guests/actions/job.h"),
    ("guests/console/report.c", "guests/guest/guest.h"),
    ("guests/console/report_disks.c", "kernel/io/storage.h"),
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
    ("guests/devices/uart.c", "kernel/vmm/board.h"),
    ("guests/config/bind.c", "kernel/lib/size.h"),
    ("guests/views/guest.c", "kernel/lib/types.h"),
    ("guests/guest/life.c", "guests/views/guest.h"),
    ("guests/actions/power.c", "guests/guest/guest.h"),
    ("guests/console/operator.c", "guests/actions/action.h"),
    ("net/switch/port.c", "kernel/io/netdev.h"),
    ("net/plane/proxy.c", "guests/actions/action.h"),
    ("net/plane/proxy.c", "net/abi/ring.h"),
    ("net/api/api.c", "net/abi/ring.h"),
    ("guests/views/collect/guests.c", "kernel/vmm/vm.h"),
    ("guests/console/report.c", "guests/views/guest.h"),
]


def run(root, files):
    """What the check says of a tree of {path: what it includes}."""
    for path, includes in files.items():
        for each in (path, *includes):
            (root / each).parent.mkdir(parents=True, exist_ok=True)
            (root / each).touch()
    for path, includes in files.items():
        lines = ["#include <stdint.h>", *(f'#include "{target}"' for target in includes)]
        (root / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(layers.complaints(root))


@pytest.mark.parametrize("source,target", FORBIDDEN)
def test_forbidden(tmp_path, source, target):
    assert run(tmp_path, {source: [target]}) == [f"{source}:2: may not include {target}"]


@pytest.mark.parametrize("source,target", ALLOWED)
def test_allowed(tmp_path, source, target):
    assert run(tmp_path, {source: [target]}) == []


def test_each_rule_has_a_violation():
    """But that of main.c, which sees all."""
    broken = {next(rule[0] for rule in layers.RULES if source.startswith(rule[0]))
              for source, _ in FORBIDDEN}
    assert {rule[0] for rule in layers.RULES} - broken == {"kernel/main.c"}


def test_by_way_of_others(tmp_path):
    found = run(tmp_path, {
        "guests/devices/uart.c": ["kernel/vmm/board.h"],
        "kernel/vmm/board.h": ["kernel/vmm/bus.h"],
        "kernel/vmm/bus.h": ["kernel/vmm/vm.h"],
    })
    assert found == [
        "guests/devices/uart.c:2: may not include kernel/vmm/vm.h, by way of "
        "kernel/vmm/board.h, kernel/vmm/bus.h"]


def test_the_header_at_fault_is_told_alone(tmp_path):
    found = run(tmp_path, {
        "guests/devices/uart.c": ["guests/devices/isa.h"],
        "guests/devices/isa.h": ["kernel/vmm/vm.h"],
    })
    assert found == ["guests/devices/isa.h:2: may not include kernel/vmm/vm.h"]


def test_circle_of_files(tmp_path):
    """A source counts as its header: neither includes the other's header in a circle here."""
    found = run(tmp_path, {
        "kernel/vmm/vm.h": ["kernel/vmm/bus.h"],
        "kernel/vmm/bus.c": ["kernel/vmm/bus.h", "kernel/vmm/place.h"],
        "kernel/vmm/place.c": ["kernel/vmm/vm.h"],
    })
    assert found == ["a circle of files: kernel/vmm/bus -> kernel/vmm/place -> "
                     "kernel/vmm/vm -> kernel/vmm/bus"]


def test_internal_headers_make_no_circle(tmp_path):
    assert run(tmp_path, {
        "kernel/vmm/vlapic.c": ["kernel/vmm/vlapic_internal.h"],
        "kernel/vmm/vlapic_internal.h": ["kernel/vmm/vlapic.h"],
        "guests/pci/pci.c": ["guests/pci/internal.h"],
        "guests/pci/internal.h": ["guests/pci/pci.h"],
    }) == []


def test_internal_headers_hide_no_circle(tmp_path):
    found = run(tmp_path, {
        "kernel/vmm/vlapic.c": ["kernel/vmm/vlapic_internal.h"],
        "kernel/vmm/vlapic_internal.h": ["kernel/vmm/vtsc.h"],
        "kernel/vmm/vtsc.c": ["kernel/vmm/vlapic.h"],
    })
    assert found == ["a circle of files: kernel/vmm/vlapic -> kernel/vmm/vtsc -> "
                     "kernel/vmm/vlapic"]


def test_circle_of_folders(tmp_path):
    found = run(tmp_path, {
        "drivers/volume/names.c": ["drivers/volume/lvm/vg.h"],
        "drivers/volume/lvm/source.c": ["drivers/volume/sources.h"],
    })
    assert found == ["a circle of folders: drivers/volume -> drivers/volume/lvm -> "
                     "drivers/volume"]


def test_path_starts_at_the_root(tmp_path):
    (tmp_path / "kernel/lib").mkdir(parents=True)
    (tmp_path / "kernel/lib/a.h").touch()
    (tmp_path / "kernel/lib/b.h").write_text('#include "a.h"\n', encoding="utf-8")
    done = subprocess.run([TOOL, "--root", tmp_path], text=True, stdout=subprocess.PIPE,
                          check=False)
    assert done.returncode == 1
    assert "kernel/lib/b.h:1: no a.h" in done.stdout
