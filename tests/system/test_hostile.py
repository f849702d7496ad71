"""A guest that does whatever a guest can do, at random and on four vCPUs at once, beside
neighbours that check their memory and their disk: nobody else sees an error or waits longer than
STALL_S, nothing breaks the kernel's rules, the operator's console answers, and the hostile guest
itself can be started again. Two CPUs are for the hypervisor's own work, and its rules are
checked.

`make test-long` does 10^8 operations, of which this emulator does some thousands a second: hours.
BULKHEAD_HOSTILE_OPERATIONS=N does N of them. It says after each life how far it is."""

import itertools
import os
import re
import time

import pytest

from tests.conftest import CHECKED, ROOT, make_image
from tests.system.terminal import STAMP, Terminal
from tools.qemu.machine import CPU, LOGS, Machine

PROGRAMS = ("hostile", "neighbour", "disk_neighbour")
STALL_S = 20  # as long as disk_neighbour.c waits for a request, by another clock
STANDS_S = 60  # without an operation, of any CPU: the program would have rescued or restarted it
RATE_S = 600  # operations a second, at the least, where the build machine has other work

# Each found something once: QEMU's answers to MOV to CR3 and CR8, and to DR7 (1, 3); ways in which
# the program hurt itself (2, 8); the end of its own code, met amiss in zeroes, as an OUT to port
# 0x92 (109, 303, 403), or as a jump to data (504, 601). They are tried for ever.
SEEDS = (1, 2, 3, 8, 109, 303, 403, 504, 601)
MORE_SEEDS = 1000  # from here on
LIVES = 9  # in one machine
LONG = int(os.environ.get("BULKHEAD_HOSTILE_OPERATIONS", 100_000_000))

# How it may end before it has done all, by what it did to itself: a jump to anywhere, or tables and
# stacks there; an OUT met on the way, to pvpanic or to the watchdog. All else would be ours, a state
# that the CPU refuses to enter for one, and fails.
OWN_END = re.compile(r"exited with status 0$|crashed: .*(executes at|triple fault|is not emulated on|"
                     r"page tables at|delivering vector|kernel panicked|did not serve its watchdog)")

# The milder end of the same: a jump that led into its own code, on another's stack, and an exception
# there of which that code knows nothing. Two CPUs may say so at once, in one line.
OWN_EXCEPTION = "FAIL program"

DOCUMENT = """
host: {{housekeeping: [0, 1]}}
networks: [{{name: inner}}]
guests:
{hostile}
  - name: neighbour
    memory: 16 MiB
    boot: {{kernel: "esp:/neighbour.elf"}}
    on_crash: stop
    debug_exit: true
  - name: disk-neighbour
    memory: 16 MiB
    boot: {{kernel: "esp:/disk_neighbour.elf"}}
    on_crash: stop
    debug_exit: true
    disks: [{{source: "ram:8 MiB"}}]
"""
HOSTILE = """
  - name: hostile-{seed}
    cpus: {{count: 4}}
    memory: 32 MiB
    boot: {{kernel: "esp:/hostile.elf", cmdline: "seed={seed} operations={operations}"}}
    autostart: false
    on_crash: stop
    on_reboot: stop
    debug_exit: true
    disks: [{{source: "ram:8 MiB"}}]
    nics: [{{network: inner}}]
"""


class House:
    """The machine with the hostile guests, one for each seed, and their neighbours."""

    def __init__(self, directory, seeds, operations):
        self._operations = operations
        guests = "".join(HOSTILE.format(seed=seed, operations=operations) for seed in seeds)
        image = make_image(directory / "hostile.img", DOCUMENT.format(hostile=guests),
                           {f"{name}.elf": ROOT / f"build/guest/{name}.elf" for name in PROGRAMS},
                           CHECKED)
        limit_s = 300 + LIVES * (120 + operations // RATE_S)
        self.machine = Machine(image, name="hostile", limit_s=limit_s, cpu=CPU + ",+pku").start()
        self.terminal = Terminal(self.machine, [*(f"hostile-{seed}" for seed in seeds),
                                                "neighbour", "disk-neighbour"])
        for name in ("neighbour", "disk-neighbour"):
            self.machine.rewind(0)
            self.machine.expect(rf"^{name}\| neighbour 1$", 60)

    def _said(self, name):
        """How often a neighbour has said that it goes on."""
        return self.machine.count(rf"^{name}\| neighbour \d+$")

    def _operations_of(self, name, begin):
        """What it says that it has done in the life that began there."""
        said = re.findall(rf"^{name}\| (\d+) operations", self.machine.output[begin:], re.M)
        return max(map(int, said), default=0)

    def _explain_stand(self, name, done):
        """What its vCPUs are at, for who has to find out why: each one's state and what exited in
        the last seconds here, and all CPUs' registers, at several moments, in a file."""
        path = LOGS / f"{name}-stands.txt"
        _, before = self.terminal.counters(name)
        with open(path, "w", encoding="utf-8") as file:
            for _ in range(4):
                file.write("\n".join(self.terminal.operator(f"show {name}")) + "\n")
                file.write(self.machine.monitor("info registers -a") + "\n")
                time.sleep(1)
        _, after = self.terminal.counters(name)
        vcpus = [f"vCPU {new['vcpu']} {new['state']} on CPU {new['cpu']}: "
                 + (", ".join(f"{key} {new[key] - old.get(key, 0)}" for key in new
                              if key.startswith(("exits.", "injected."))
                              and new[key] > old.get(key, 0)) or "no exits")
                 for old, new in zip(before, after)]
        return "\n".join([f"{name} stands after {done} operations; {path}", *vcpus])

    def run(self, name):
        """One life of a hostile guest, to its end; returns how many operations it did."""
        begin = len(self.machine.output)
        self.terminal.operator(f"start {name}")
        deadline = time.monotonic() + 120 + self._operations // RATE_S
        end = re.compile(rf"^{STAMP}{name}: (?:error: )?((?:exited|crashed|stopped|reset|switched).*)\n",
                         re.M)
        heard = {each: (self._said(each), time.monotonic())
                 for each in ("neighbour", "disk-neighbour")}
        done, since = 0, time.monotonic()
        while not (ended := end.search(self.machine.output, begin)):
            time.sleep(0.5)
            now = time.monotonic()
            if (count := self._operations_of(name, begin)) > done:
                done, since = count, now
            assert now - since < STANDS_S, self._explain_stand(name, done)
            assert self.machine.is_running() and now < deadline, f"{name} does not end"
            for each, (count, then) in heard.items():
                if (said := self._said(each)) > count:
                    heard[each] = (said, now)
                assert now - then < STALL_S, f"{each} stands still"
        failed = re.findall(rf"^{name}\| (FAIL.*)", self.machine.output[begin:], re.M)
        assert not [line for line in failed if not line.startswith(OWN_EXCEPTION)]
        assert OWN_END.match(ended[1]) or (failed and ended[1] == "exited with status 1"), ended[1]
        return self._operations_of(name, begin)

    def is_well(self):
        """Nobody was hurt: neither the neighbours nor the kernel, and the operator is answered."""
        assert not self.machine.count("panic:")
        assert not self.machine.count(r"neighbour\| FAIL")
        listed = "\n".join(self.terminal.operator("list"))
        for name in ("neighbour", "disk-neighbour"):
            assert re.search(rf"^{name} +running ", listed, re.M), listed
            counters, disks = self.terminal.counters(name, of="disk")
            assert counters["starts"] == 1
            assert not any(disk["errors"] for disk in disks), disks
            before = self._said(name)
            self.machine.expect(rf"^{name}\| neighbour \d+\n", 30)
            assert self._said(name) > before


def batches(seeds):
    """The seeds of one machine after the other: those that are given, then ever new ones."""
    yield seeds
    for first in itertools.count(MORE_SEEDS, LIVES):
        yield range(first, first + LIVES)


@pytest.mark.parametrize("seeds, life, total", [
    pytest.param(SEEDS[:1], 500_000, 1_000_000, id="a-million"),  # the second start is the restart
    pytest.param(SEEDS, 2_000_000, LONG, id="all", marks=pytest.mark.long)])
def test_a_hostile_guest_hurts_itself_alone(tmp_path, capsys, seeds, life, total):
    done = starts = 0
    for batch in batches(seeds):
        house = House(tmp_path, batch, min(life, total))
        try:
            for seed in itertools.islice(itertools.cycle(batch), LIVES):
                if done >= total:
                    return
                assert starts < 15 * (total / life + 1), f"{done} operations in {starts} lives"
                done += house.run(f"hostile-{seed}")
                starts += 1
                house.is_well()
                with capsys.disabled():
                    print(f"\n{done} of {total} operations in {starts} lives, the last of seed {seed}")
        finally:
            house.machine.stop()
