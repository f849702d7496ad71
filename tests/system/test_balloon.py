"""Memory that a guest gives up: what it reports free is forgotten, what it puts into its balloon is
there for another guest, and comes back whole."""

import re
import time

import pytest

from tests.conftest import CHECKED, LINUX, housekeeping, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
GUEST = """
  - name: {name}
    cpus: {{count: 1}}
    memory: {memory}
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name={name}"
    autostart: {autostart}
"""
# 768 MiB for the one, and too little left for the other until it gives some up.
DOCUMENT = "host: {housekeeping: HOUSEKEEPING}\nguests:" + \
    GUEST.format(name="large", memory="768 MiB", autostart="true") + \
    GUEST.format(name="other", memory="256 MiB", autostart="false")
MACHINE_MIB = 1088


@pytest.fixture(scope="module", name="terminal", params=housekeeping("[0, 1]"))
def fixture_terminal(request, tmp_path_factory):
    document = DOCUMENT.replace("HOUSEKEEPING", request.param)
    image = make_image(tmp_path_factory.mktemp("balloon") / "disk.img", document, LINUX,
                       CHECKED)
    with Machine(image, name="balloon", limit_s=1800, cpus=2, memory_mib=MACHINE_MIB) as machine:
        machine.expect(r"^large\| guest large ready", 120)
        yield Terminal(machine, ["large", "other"])


def sizes(terminal):
    """target, in the balloon, with the pool, reported: bytes, as the operator's console says."""
    said = " ".join(terminal.operator("balloon large"))
    found = re.search(r"make do with (\d+) (\w+)\. (\d+) (\w+) are in its balloon, (\d+) (\w+) of "
                      r"these .* reported (\d+) (\w+) as free", said)
    assert found, said
    words = found.groups()
    return [int(number) * UNITS[unit] for number, unit in zip(words[::2], words[1::2])]


def wait_for(terminal, condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition(now := sizes(terminal)):
        assert time.monotonic() < deadline, now
        time.sleep(1)
    return now


def populated(terminal):
    return terminal.counters("large")[0]["populated_bytes"]


def test_free_pages_are_forgotten(terminal):
    """What a file in memory held is reported once the file is gone, and reads as zeroes to come."""
    reported = sizes(terminal)[3]
    terminal.shell("large", "dd if=/dev/urandom of=f bs=1M count=256", 120)
    full = populated(terminal)
    terminal.shell("large", "rm f")
    wait_for(terminal, lambda now: now[3] - reported > 128 << 20)
    assert full - populated(terminal) > 128 << 20


def test_another_guest_has_what_is_given_up(terminal):
    refused = terminal.machine.mark()
    terminal.operator("start other")
    terminal.machine.rewind(refused)
    terminal.machine.expect(r"\] other: warning: waits: memory is 256 MiB, and \d+ MiB are free", 30)
    terminal.operator("balloon large 384 MiB")
    now = wait_for(terminal, lambda now: now[1] >= 384 << 20)
    assert now[2] > 256 << 20, "whole 2 MiB of them"
    started = terminal.machine.mark()
    terminal.operator("start other")
    terminal.machine.rewind(started)
    terminal.machine.expect(r"^other\| guest other ready", 120)
    # What is in the balloon counts as used there, as it may be taken back.
    free = re.search(r"Mem: +(\d+) +(\d+) ", terminal.shell("large", "free -m"))
    assert int(free[2]) > 384, free[0]


def test_what_another_has_is_not_promised(terminal):
    said = " ".join(terminal.operator("balloon large 768 MiB"))
    assert "less than it would get back" in said, said
    assert sizes(terminal)[0] == 384 << 20


def test_it_comes_back(terminal):
    stopped = terminal.machine.mark()
    terminal.operator("stop other now")
    terminal.machine.rewind(stopped)
    terminal.machine.expect(r"\] other: stopped", 30)
    terminal.operator("balloon large 768 MiB")
    wait_for(terminal, lambda now: now[1] == 0)
    said = terminal.shell("large", "dd if=/dev/urandom of=f bs=1M count=420; sha256sum f;"
                          " echo 3 >/proc/sys/vm/drop_caches; sha256sum f; rm f", 480)
    digests = re.findall(r"^([0-9a-f]{64}) ", said, re.M)
    assert len(digests) == 2 and digests[0] == digests[1], said
    assert sizes(terminal)[2] == 0


def test_a_guest_keeps_what_it_uses(terminal):
    """Less than it says it uses is asked for only if the operator insists; and then its kernel
    takes back what it cannot do without, and lives."""
    terminal.shell("large", "dd if=/dev/urandom of=r bs=1M count=8;"
                            " dd if=/dev/zero of=f bs=1M count=300", 120)
    before = terminal.shell("large", "sha256sum r", 60)
    said = " ".join(terminal.operator("balloon large 128 MiB"))
    assert re.search(r"large says that \d+ MiB of its memory are in use: .* insist: balloon large "
                     r"128 MiB anyway", said), said
    assert sizes(terminal)[0] == 768 << 20
    assert "is asked" in " ".join(terminal.operator("balloon large 128 MiB anyway"))
    wait_for(terminal, lambda now: now[1] > 256 << 20)
    terminal.shell("large", "dd if=/dev/zero of=g bs=1M count=40", 240)  # more than there is
    digest = re.search(r"^[0-9a-f]{64} ", before, re.M)[0]
    assert digest in terminal.shell("large", "sha256sum r", 60)
    assert "guest lives" in terminal.shell("large", "echo guest lives"), "its shell was killed"
    assert terminal.counters("large")[0]["state"] == "running"
    terminal.operator("balloon large 768 MiB")
    terminal.shell("large", "rm f g r")


def test_a_stopped_guest_has_no_memory(terminal):
    """`memory` shows whose memory it is now, not whose it was."""
    other = [line for line in terminal.operator("memory") if line.split()[:1] == ["other"]]
    assert len(other) == 1 and "when it runs" in other[0] and "in use" not in other[0], other
    assert not any("in use" in line for line in terminal.operator("show other"))


def test_nonsense_is_refused(terminal):
    for words, answer in (("large 8 MiB", "write a size from 32 MiB to 768 MiB"),
                          ("large 2 GiB", "write a size from 32 MiB to 768 MiB"),
                          ("large much", "That is no size"), ("nobody 64 MiB", "Say which guest"),
                          ("other 64 MiB", "does not run")):
        assert answer in " ".join(terminal.operator(f"balloon {words}")), words
