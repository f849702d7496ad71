"""Unmodified Linux guests: they come up, keep time, and end and start again without their
neighbours noticing. One machine serves several tests, which leave their guests running."""

import contextlib
import itertools
import re
import time

import pytest

from tests.conftest import LINUX, ROOT, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine, MachineError

SAMPLE = (ROOT / "guests/samples/bulkhead.yaml").read_text(encoding="utf-8")
BOOT_S = 240  # of all guests, with other work on the build machine
TICKS = "n=0; while sleep 1; do echo tick $((n += 1)); done"

# What Linux says when time or interrupts go wrong, and what we say when we do.
TROUBLE = (r"rcu: INFO:.*stall|soft lockup|hard LOCKUP|blocked for more than|"
           r"clocksource: .*unstable|Marking clocksource|nobody cared|spurious|Call Trace|"
           r"panic:|crashed")


def guest(name, cpus, cmdline="", more=""):
    """A guest's part of a document; its memory is the least that Linux is at ease with."""
    return f"""
  - name: {name}
    cpus: {cpus}
    memory: 256 MiB
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name={name} {cmdline}"
    {more}
"""


@contextlib.contextmanager
def booted(directory, name, document, guests, **options):
    """A machine whose guests are all up: its terminal."""
    image = make_image(directory / f"{name}.img", document, LINUX)
    with Machine(image, name=f"linux-{name}", limit_s=900, **options) as machine:
        wait_for(machine, guests)
        yield Terminal(machine, guests)


def wait_for(machine, guests):
    """Until each of the guests is up; in whatever order."""
    begin = machine.mark()
    for name in guests:
        machine.rewind(begin)
        machine.expect(rf"^{name}\| guest {name} ready: .*$", BOOT_S)


def ticks(terminal, name):
    """The last number that the guest, which runs TICKS, printed."""
    said = re.findall(rf"^{name}\| tick (\d+)$", terminal.machine.output, re.M)
    return int(said[-1]) if said else 0


class Neighbours:
    """Within it, these guests, which run TICKS, go on undisturbed."""

    def __init__(self, terminal, *names):
        self.terminal = terminal
        self.names = names
        self.before = {}

    def __enter__(self):
        self.before = {name: ticks(self.terminal, name) for name in self.names}

    def __exit__(self, kind, *_):
        if kind:
            return
        for name in self.names:
            now = ticks(self.terminal, name)
            assert now >= self.before[name], f"{name} has started again"
            self.terminal.machine.expect(rf"^{name}\| tick {now + 3}$", 60)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The sample machine, as `make run` starts it; beta ticks."""
    with booted(tmp_path_factory.mktemp("pair"), "pair", SAMPLE, ["alpha", "beta"]) as terminal:
        terminal.shell("beta", f"({TICKS}) &")
        yield terminal


def test_two_guests_come_up_as_configured(pair):
    for name in ("alpha", "beta"):
        said = re.search(rf"guest {name} ready: cpus=(\d+) memory=(\d+) MiB clocksource=(\S+)",
                         pair.machine.output)
        assert said[1] == "2" and said[3] == "kvm-clock"
        assert 440 <= int(said[2]) <= 512
        counters, vcpus = pair.counters(name)
        assert counters["state"] == "running" and counters["starts"] == 1
        assert len(vcpus) == 2
    assert [vcpu["cpu"] for vcpu in pair.counters("alpha")[1]] == [2, 3]
    assert all(vcpu["cpu"] in (0, 1) for vcpu in pair.counters("beta")[1])


def test_the_operator_sees_both(pair):
    listed = pair.operator("list")
    for name in ("alpha", "beta"):
        assert any(re.match(rf"{name} +running +2 ", line) for line in listed), listed
    assert any(line.startswith("shutdown ") for line in pair.operator("help"))


def test_a_guest_that_is_waited_for_in_vain_has_a_last_word(pair):
    """So that whoever reads only a failed test's report sees how far the guest came."""
    pair.machine.expect(r"^beta\| tick \d+$", 60)
    with pytest.raises(MachineError) as failed:
        pair.machine.expect(r"^alpha\| what nobody says$", 0)
    report = str(failed.value)
    own = report[report.index("the last of alpha:"):]
    assert "guest alpha ready" in own and "beta|" not in own
    assert len(re.findall(r"^CPU#\d\nRIP=[0-9a-f]{16} ", own, re.M)) == 4


class Clock:
    """A guest's clock beside this machine's: when the guest says its uptime, it was read
    between the question and the answer."""

    def __init__(self, terminal, name):
        self.terminal = terminal
        self.name = name
        self.first = min((self._ask() for _ in range(5)), key=lambda s: s[2] - s[1])

    def _ask(self):
        asked = time.monotonic()
        said = self.terminal.shell(self.name, "cat /proc/uptime")
        answered = time.monotonic()
        return float(re.search(r"^(\d+\.\d\d) \d+\.\d\d$", said, re.M)[1]), asked, answered

    def speed(self):
        """The slowest and the fastest that it can have gone so far; right is 1."""
        then, now = self.first, self._ask()
        elapsed = now[0] - then[0]
        return elapsed / (now[2] - then[1]), elapsed / (now[1] - then[2])


def test_the_clocks_are_right_to_one_percent(pair):
    clocks = {name: Clock(pair, name) for name in ("alpha", "beta")}
    time.sleep(30)
    for name, clock in clocks.items():
        for _ in range(60):
            slowest, fastest = clock.speed()
            assert slowest < 1.01 and fastest > 0.99, f"{name}: {slowest} to {fastest}"
            if slowest > 0.99 and fastest < 1.01:
                break
            time.sleep(1)  # a busy machine answers late: a longer time tells more
        else:
            pytest.fail(f"{name}: between {slowest} and {fastest}, more cannot be told")


def test_the_dates_are_right(pair):
    for name in ("alpha", "beta"):
        said = int(re.search(r"^now (\d+)$", pair.shell(name, "date +'now %s'"), re.M)[1])
        assert abs(said - time.time()) < 10


def test_an_idle_guest_hardly_exits(pair):
    """alpha has its CPUs for itself and nothing to do. How little it is, the benchmark says."""
    before = pair.counters("alpha")
    time.sleep(10)
    after = pair.counters("alpha")
    seconds = (after[0]["uptime_ns"] - before[0]["uptime_ns"]) / 1e9
    exits = [sum(value for key, value in vcpu.items() if key.startswith("exits."))
             for vcpus in (before[1], after[1]) for vcpu in vcpus]
    rates = [(after - before) / seconds for before, after in zip(exits[:2], exits[2:])]
    print(f"exits per second of an idle guest's vCPUs: {rates}")
    assert max(rates) < 100


def test_a_reboot_starts_the_guest_again(pair):
    with Neighbours(pair, "beta"):
        pair.keyboard("alpha")
        pair.machine.send("reboot\n")
        wait_for(pair.machine, ["alpha"])
    assert pair.counters("alpha")[0]["starts"] == 2


# As a kernel has it that knows no pvpanic: test_death is about those that do.
NO_PVPANIC = "rmmod pvpanic_mmio; "


def test_a_panic_that_reboots_starts_the_guest_again(pair):
    with Neighbours(pair, "beta"):
        pair.keyboard("alpha")
        pair.machine.send(f"{NO_PVPANIC}echo 1 >/proc/sys/kernel/panic; "
                          "echo c >/proc/sysrq-trigger\n")
        pair.machine.expect(r"^alpha\| .*Kernel panic - not syncing: sysrq triggered crash", 60)
        wait_for(pair.machine, ["alpha"])
    assert pair.counters("alpha")[0]["starts"] == 3


def test_a_guest_that_hangs_in_a_panic_is_reset_by_the_operator(pair):
    with Neighbours(pair, "beta"):
        pair.keyboard("alpha")
        pair.machine.send(f"{NO_PVPANIC}echo 0 >/proc/sys/kernel/panic; "
                          "echo c >/proc/sysrq-trigger\n")
        pair.machine.expect(r"^alpha\| .*---\[ end Kernel panic", 60)
    assert pair.counters("alpha")[0]["state"] == "running"
    with Neighbours(pair, "beta"):
        pair.operator("reset alpha")
        wait_for(pair.machine, ["alpha"])
    assert pair.counters("alpha")[0]["starts"] == 4


def test_a_guest_that_powers_off_stays_off_until_it_is_started(pair):
    with Neighbours(pair, "beta"):
        pair.keyboard("alpha")
        pair.machine.send("poweroff\n")
        pair.wait_for_state("alpha", "stopped")
    assert any("powered off" in line for line in pair.operator("show alpha"))
    with Neighbours(pair, "beta"):
        pair.operator("start alpha")
        wait_for(pair.machine, ["alpha"])


def test_the_operator_stops_a_guest(pair):
    with Neighbours(pair, "beta"):
        pair.operator("stop alpha")
        pair.wait_for_state("alpha", "stopped")
        assert any("powered off" in line for line in pair.operator("show alpha"))
        assert any("does not go now" in line for line in pair.operator("stop alpha"))


def test_nothing_was_amiss(pair):
    """All this time, but for the panics that were asked for."""
    said = [line for line in pair.machine.output.split("\n")
            if re.search(TROUBLE, line) and "alpha|" not in line]
    assert not said


# Memory that Linux leaves alone, so that /dev/mem reaches it.
HOLE_MIB, HOLE_AT_MIB = 32, 128

CROWD = "guests:" + "".join((
    guest("ticker", "{count: 2, pin: [2, 3]}", f'bulkhead.run=\\"{TICKS}\\"'),
    guest("once", "{count: 2}", f"memmap={HOLE_MIB}M${HOLE_AT_MIB}M", "on_reboot: stop"),
    guest("again", "{count: 2}", 'bulkhead.run=\\"poweroff -f\\"',
          "on_poweroff: restart\n    restart_limit: {count: 2, seconds: 3600}"),
    guest("fragile", "{count: 2}", "console=hvc0 reboot=triple",
          "on_crash: restart\n    console: virtio"),
))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Four guests with eight vCPUs on four CPUs, each with its own policy."""
    names = ["ticker", "once", "again", "fragile"]
    with booted(tmp_path_factory.mktemp("crowd"), "crowd", CROWD, names) as terminal:
        yield terminal


def test_a_guest_that_ends_too_often_stays_stopped(crowd):
    """`again` powers off as soon as it is up, and is to restart then, twice at most."""
    said = "again: error: stays stopped: it restarted 2 times within 3600 s"
    crowd.machine.rewind(0)
    with Neighbours(crowd, "ticker"):
        crowd.machine.expect(said, BOOT_S)
    assert crowd.counters("again")[0]["starts"] == 3


def test_memory_is_zero_at_every_start(crowd):
    """What the guest wrote is gone when it is started again, on the same frames or others."""
    hole = f"skip={HOLE_AT_MIB} count={HOLE_MIB} bs=1M 2>/dev/null"
    count = f"echo not zero: $(dd if=/dev/mem {hole} | tr -d '\\0' | wc -c)"

    def not_zero():
        return int(re.search(r"^not zero: (\d+)$", crowd.shell("once", count, 120), re.M)[1])

    assert not_zero() == 0
    crowd.shell("once", f"tr '\\0' x </dev/zero | dd of=/dev/mem seek={HOLE_AT_MIB} "
                f"count={HOLE_MIB} bs=1M iflag=fullblock 2>/dev/null", 120)
    assert not_zero() == HOLE_MIB << 20
    crowd.operator("reset once")
    wait_for(crowd.machine, ["once"])
    assert not_zero() == 0


def test_a_virtio_console_moves_buffers(crowd):
    """It is typed to, and what it prints comes whole and in order, without an exit for each
    character."""
    kinds = ("exits.io", "exits.nested_fault")
    begin = len(crowd.machine.output)
    assert re.search("^/dev/hvc0$", crowd.shell("fragile", "tty"), re.M)
    before = crowd.counters("fragile")[1]
    crowd.shell("fragile", "for n in $(seq 1000); do echo number $n of many; done")
    after = crowd.counters("fragile")[1]
    said = re.findall(r"^fragile\| number (\d+) of many$", crowd.machine.output[begin:], re.M)
    # The terminal shows a line again that another's output came into the middle of.
    assert [n for n, _ in itertools.groupby(said)] == [str(n) for n in range(1, 1001)]
    exits = sum(vcpu[kind] for vcpu in after for kind in kinds) - \
        sum(vcpu[kind] for vcpu in before for kind in kinds)
    print(f"exits for 20 KB of output: {exits}")
    assert exits < 10000


def test_a_reboot_may_stop_a_guest(crowd):
    with Neighbours(crowd, "ticker"):
        crowd.keyboard("once")
        crowd.machine.send("reboot -f\n")
        crowd.wait_for_state("once", "stopped")
    assert crowd.counters("once")[0]["starts"] == 2


def test_a_triple_fault_may_restart_a_guest(crowd):
    with Neighbours(crowd, "ticker"):
        crowd.keyboard("fragile")
        crowd.machine.send("reboot -f\n")
        crowd.machine.expect("fragile: error: crashed: vCPU [01]: triple fault", 60)
        wait_for(crowd.machine, ["fragile"])
    assert crowd.counters("fragile")[0]["starts"] == 2


LIGHT = "bulkhead.run=\\\"while :; do :; done\\\""
SINGLE = "guests:" + "".join((
    guest("light", "{count: 1, weight: 100}", LIGHT),
    guest("heavy", "{count: 1, weight: 300}", LIGHT),
))


def test_one_cpu_is_shared_by_weight(tmp_path):
    """One CPU for two guests that never stop computing, the log, the console and all else."""
    guests = ["light", "heavy"]
    with booted(tmp_path, "single", SINGLE, guests, cpus=1, memory_mib=1024) as terminal:
        before = {name: terminal.counters(name)[1][0] for name in guests}
        time.sleep(15)
        after = {name: terminal.counters(name)[1][0] for name in guests}
        ran = {name: after[name]["run_ns"] - before[name]["run_ns"] for name in after}
        assert 2.7 < ran["heavy"] / ran["light"] < 3.3, ran


WIDE = "guests:" + "".join((
    guest("pinned", "{pin: [8-15]}"),
    guest("shared", "{count: 8}"),
))


def test_sixteen_cpus(tmp_path):
    with booted(tmp_path, "wide", WIDE, ["pinned", "shared"], cpus=16) as terminal:
        for name in ("pinned", "shared"):
            assert re.search("^8$", terminal.shell(name, "nproc"), re.M)
        assert [vcpu["cpu"] for vcpu in terminal.counters("pinned")[1]] == list(range(8, 16))
        # QEMU may break what runs on its first CPU.
        assert all(0 < vcpu["cpu"] < 8 for vcpu in terminal.counters("shared")[1])
