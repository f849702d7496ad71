"""A guest that does whatever a guest can do, at random and on four vCPUs at once, beside
neighbours that check their memory and their disk: nobody else sees an error or waits longer than
STALL_S, nothing breaks the kernel's rules, the operator's console answers, and the hostile guest
itself can be started again. Two CPUs are for the hypervisor's own work, and its rules are
checked."""

import re
import time

import pytest

from tests.conftest import CHECKED, ROOT, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import CPU, Machine

PROGRAMS = ("hostile", "neighbour", "disk_neighbour")
STAMP = r"^\[ *\d+\.\d+\] "
STALL_S = 20  # as long as disk_neighbour.c waits for a request, by another clock
STANDS_S = 40  # without an operation: it has brought all its vCPUs to where they stay
RATE_S = 600  # operations a second, at the least, where the build machine has other work

# Each found something once: QEMU's answers to MOV to CR3 and CR8, and to DR7 (1, 3), and ways in
# which the program hurt itself (2, 8). They are tried for ever.
SEEDS = (1, 2, 3, 8)

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

    def __init__(self, directory, lives, operations):
        seeds = sorted(set(lives))
        self._names = [f"hostile-{seed}" for seed in seeds]
        self._operations = operations
        guests = "".join(HOSTILE.format(seed=seed, operations=operations) for seed in seeds)
        image = make_image(directory / "hostile.img", DOCUMENT.format(hostile=guests),
                           {f"{name}.elf": ROOT / f"build/guest/{name}.elf" for name in PROGRAMS},
                           CHECKED)
        limit_s = 300 + len(lives) * (120 + operations // RATE_S)
        self.machine = Machine(image, name="hostile", limit_s=limit_s, cpu=CPU + ",+pku").start()
        self.terminal = Terminal(self.machine, [*self._names, "neighbour", "disk-neighbour"])
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

    def run(self, name):
        """One life of a hostile guest, to its end; returns how many operations it did."""
        begin = len(self.machine.output)
        self.terminal.operator(f"start {name}")
        deadline = time.monotonic() + 120 + self._operations // RATE_S
        end = re.compile(rf"{STAMP}{name}: (?:error: )?((?:exited|crashed|stopped|reset|switched).*)\n",
                         re.M)
        heard = {each: (self._said(each), time.monotonic())
                 for each in ("neighbour", "disk-neighbour")}
        done, since, asked = 0, time.monotonic(), False
        while not (ended := end.search(self.machine.output, begin)):
            time.sleep(0.5)
            now = time.monotonic()
            if (count := self._operations_of(name, begin)) > done:
                done, since = count, now
            if now - since > STANDS_S and not asked:
                self.terminal.operator(f"stop {name}")
                asked = True
            assert self.machine.is_running() and now < deadline, f"{name} does not end"
            for each, (count, then) in heard.items():
                if (said := self._said(each)) > count:
                    heard[each] = (said, now)
                assert now - then < STALL_S, f"{each} stands still"
        said = self.machine.output[begin:]
        # By a jump to anywhere, or tables and stacks there, it may end itself, and only itself: what
        # it did until then counts. A state that the CPU refuses to enter would be our own fault.
        assert asked or re.match(
            "exited with status 0$|reset: the guest reset itself|crashed: .*(executes at|triple fault|"
            "is not emulated on|page tables at|delivering vector)", ended[1]), ended[1]
        assert not re.findall(rf"^{name}\| FAIL.*", said, re.M)
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


@pytest.mark.parametrize("lives, operations", [
    pytest.param(SEEDS[:1] * 2, 500_000, id="a-million"),  # the second start is the restart
    pytest.param(SEEDS, 2_000_000, id="millions", marks=pytest.mark.long)])
def test_a_hostile_guest_hurts_itself_alone(tmp_path, lives, operations):
    house = House(tmp_path, lives, operations)
    try:
        done = starts = 0
        while done < len(lives) * operations:
            assert starts < 15 * len(lives), f"{done} operations in {starts} lives"
            done += house.run(f"hostile-{lives[starts % len(lives)]}")
            starts += 1
            house.is_well()
        print(f"{done} operations in {starts} lives")
    finally:
        house.machine.stop()
