"""Programs of tests/guest as guests, one after the other, beside a neighbour that runs all the
time. Each must pass; and after each, whatever it did, the hypervisor answers and the neighbour
goes on. The kernel is the one with its rules checked; the long tests are of both."""

import re
import subprocess

import pytest

from tests.conftest import BUILD, CHECKED, ROOT, make_image
from tests.system.terminal import STAMP, Terminal
from tools.qemu.machine import CPU, Machine

LIMIT_S = 240  # of one program, with other work on the build machine

# Program and its vCPUs. They share the four CPUs with the neighbour; those of spinlock share one.
PASSING = {
    "cpuid": 4,
    "msr_sweep": 1,
    "msr_table": 1,
    "msr_effects": 2,
    "ports": 1,
    "mmio": 1,
    "hlt_if0": 2,
    "sipi_races": 4,
    "init_state": 2,
    "extint": 2,
    "task_switch": 1,
    "xsetbv": 3,
    "cr_reserved": 1,
    "interrupt_storm": 4,
    "interrupt_once": 4,
    "interrupt_shadow": 4,
    "fpu_restore": 4,
    "smc": 2,
    "code_patch": 4,
    "log_flood": 1,
    "apic": 4,
    "pit_pic": 1,
    "legacy": 4,
    "clock": 2,
    "nmi_iret": 2,
    "exceptions": 1,
    "boundaries": 1,
    "double_faults": 1,
    "spinlock": "4, allowed: [3]",
    "breakpoints": 1,
    "rip_wrap": 1,
    "segments": 1,
    "pku": 3,
    "umip": 1,
    "pci": 4,
    "virtio_hostile": 1,
    "virtio_requests": 1,
    "virtio_blk": 1,
    "balloon_fuzz": 4,
}
MEMORY = {"balloon_fuzz": "32 MiB"}  # others have 16 MiB
# What a program is given beside memory.
BOTH = '''
    disks: [{source: "ram:8 MiB"}]
    nics: [{network: inner}]'''
DEVICES = {"virtio_hostile": BOTH,
           "virtio_requests": BOTH,
           "virtio_blk": '''
    disks: [{source: "ram:8 MiB", serial: my disk}]'''}
RESTARTS = 2  # that a program which ends itself is allowed
ENDLESS = {"triple_fault": 1, "memory": 1, "bios": 2, "watchdog": 4, "irqs_off": 3}
PROGRAMS = (*PASSING, *ENDLESS, "nothing")


def guest(program):
    return program.replace("_", "-")


def hypervisor_addresses(build):
    """Where an exit leads first, as words of a command line."""
    symbols = subprocess.run(["nm", build / "bulkhead.elf"], check=True, text=True,
                             capture_output=True).stdout
    return " ".join("0x" + address for address in
                    re.findall("^([0-9a-f]+) T (?:svm_vmrun|exit_handle)$", symbols, re.M))


def document(build):
    """All programs, none started, and the neighbour."""
    text = "networks: [{name: inner}]\nguests:\n"
    for program in (*PROGRAMS, "neighbour"):
        cmdline = hypervisor_addresses(build) if program == "breakpoints" else ""
        text += f"""
  - name: {guest(program)}
    cpus: {{count: {(PASSING | ENDLESS).get(program, 1)}}}
    memory: {MEMORY.get(program, "16 MiB")}
    boot: {{kernel: "esp:/tests/{program}.elf", cmdline: "{cmdline}"}}
    autostart: {"true" if program == "neighbour" else "false"}
    on_crash: {"restart" if program in ENDLESS else "stop"}
    restart_limit: {{count: {RESTARTS}, seconds: 60}}
    debug_exit: true{DEVICES.get(program, "")}
"""
    return text


class House:
    """The machine with all programs; booted again should one bring it down."""

    def __init__(self, directory, build):
        files = {f"tests/{program}.elf": ROOT / f"build/guest/{program}.elf"
                 for program in (*PROGRAMS, "neighbour")}
        self._image = make_image(directory / "guests.img", document(build), files, build)
        self._checked = build == CHECKED
        self._boots = 0
        self.machine = self.terminal = None

    def open(self):
        if self.machine and self.machine.is_running():
            return self
        self.close()
        self._boots += 1
        self.machine = Machine(self._image, name=f"guests-{self._boots}", limit_s=1800,
                               cpu=CPU + ",+pku").start()
        self.terminal = Terminal(self.machine, [guest(program) for program in PROGRAMS])
        self.machine.expect(r"^neighbour\| neighbour 1$", 60)
        assert self.machine.count(f"^{STAMP}checks: ") == self._checked
        return self

    def close(self):
        if self.machine:
            self.machine.stop()

    def run(self, program, end):
        """Starts a program; returns what it said until `end`, a pattern for the log's line."""
        begin = len(self.machine.output)
        self.terminal.operator(f"start {guest(program)}")
        # expect() may have passed the end already, on its way to the operator's answer.
        self.machine.rewind(begin)
        self.machine.expect(f"^{STAMP}{guest(program)}: {end}.*\n", LIMIT_S)
        said = self.machine.output[begin:]
        return "\n".join(re.findall(rf"^{guest(program)}\| (.*)$", said, re.M))

    def is_well(self):
        """The operator's console answers, and the neighbour makes progress."""
        numbers = [int(self.machine.expect(r"^neighbour\| neighbour (\d+)\n", 30)[1])
                   for _ in range(3)]
        assert numbers == sorted(set(numbers))
        states = "\n".join(self.terminal.operator("list"))
        assert re.search("^neighbour +running", states, re.M), states
        assert not self.machine.count(r"^neighbour\| FAIL")


@pytest.fixture(name="house", scope="module",
                params=[CHECKED, pytest.param(BUILD, marks=pytest.mark.long)],
                ids=["checked", "release"])
def fixture_house(request, tmp_path_factory):
    house = House(tmp_path_factory.mktemp("guests"), request.param)
    yield house
    house.close()


@pytest.mark.parametrize("program", PASSING)
def test_program(house, program):
    said = house.open().run(program, "(exited with status|.*crashed|.*stopped)")
    failures = re.findall("FAIL.*", said)
    assert not failures, "\n".join(failures)
    assert re.search(r"^DONE [1-9]\d* passed, 0 failed$", said, re.M), said[-2000:]
    assert house.machine.count(f"^{STAMP}{guest(program)}: exited with status 0$") == 1
    house.is_well()


def test_who_insists_on_nothing_is_logged_once(house):
    """Of each kind one line, however many accesses."""
    said = house.open().run("nothing", "(exited with status|.*crashed|.*stopped)")
    assert re.search("^DONE 3 passed, 0 failed$", said, re.M), said
    for what in ("ports where nothing is", "memory where nothing is", "MSRs that do not exist"):
        assert house.machine.count(f"^{STAMP}nothing: .*has accessed {what} 10000 times") == 1
    house.is_well()


def test_a_triple_fault_ends_its_guest_alone(house):
    """It is restarted as often as its limit allows, each time with the reason in the log."""
    said = house.open().run("triple_fault", ".*stays stopped")
    assert said.count("about to triple fault") == RESTARTS + 1
    assert house.machine.count(f"^{STAMP}triple-fault: .*triple fault at RIP 0x") >= RESTARTS + 1
    house.is_well()


def test_memory_is_zero_in_every_life(house):
    said = house.open().run("memory", ".*stays stopped")
    assert "FAIL" not in said, said
    assert said.count("PASS zero at the start") == RESTARTS + 1
    assert said.count("PASS kept") == RESTARTS + 1
    house.is_well()


def test_a_guest_that_died_is_seen(house):
    """Its watchdog and its panic are crashes, and its policy follows."""
    said = house.open().run("watchdog", ".*stays stopped")
    assert "FAIL" not in said, said
    assert said.count("about to be late") == 2
    assert said.count("PASS told once") == said.count("about to panic") == 1
    late = f"^{STAMP}watchdog: error: crashed: the guest did not serve its watchdog for 0.3 s$"
    assert house.machine.count(late) == 2
    assert house.machine.count(
        rf"^{STAMP}watchdog: error: crashed: the guest's kernel panicked \(pvpanic\)$") == 1
    guest_counters, _ = house.terminal.counters("watchdog")
    assert [guest_counters[of] for of in ("crashes", "panics", "watchdog_ends")] == [3, 1, 2]
    house.is_well()


def test_vcpus_that_take_no_interrupts_are_seen(house):
    """Those alone that spin or sleep with interrupts off, each told once in the log."""
    said = house.open().run("irqs_off", "warning: vCPU 1 has been running with interrupts off for ")
    house.machine.rewind(0)
    house.machine.expect(f"^{STAMP}irqs-off: warning: vCPU 2 is halted with interrupts off for ",
                         LIMIT_S)
    assert said.count("one spins, one is halted") == 1
    for command in ("list", "show irqs-off"):
        lines = [line for line in house.terminal.operator(command) if "interrupts off" in line]
        assert re.fullmatch(r"  ! vCPU 1: running with interrupts off for .+\n"
                            r"  ! vCPU 2: halted with interrupts off for .+",
                            "\n".join(lines)), lines
    _, vcpus = house.terminal.counters("irqs-off")
    assert [vcpu["interrupts_off_ns"] >= 10**10 for vcpu in vcpus] == [False, True, True]
    house.is_well()
    house.terminal.operator("stop irqs-off")
    assert house.machine.count("irqs-off: warning: vCPU . .*with interrupts off") == 2


def test_what_firmware_leaves_below_1_mib(house):
    said = house.open().run("bios", ".*stays stopped")
    assert "FAIL" not in said, said
    assert said.count("PASS all vectors say that they failed") == RESTARTS + 1
    assert said.count("about to jump to FFFF:0000") == RESTARTS + 1
    assert house.machine.count(rf"^{STAMP}bios: reset: .*port 0xcf9") == RESTARTS + 1
    house.is_well()


def test_a_guest_that_does_not_read(house):
    """What is typed to it beyond what it has room for is lost, but not the keys behind it."""
    house.open().terminal.keyboard("host")
    house.machine.send("\x1dp")  # the last guest is before the host
    house.machine.expect("^-- keyboard: neighbour --$", 20)
    house.machine.send("nobody reads this " * 300 + "\x1dh")
    house.machine.expect("^-- keyboard: host --$", 20)
    house.is_well()


@pytest.mark.long
def test_all_at_once(house):
    """What they find of time is not asked here: they only must end, and hurt nobody."""
    house.open()
    begin = len(house.machine.output)
    for program in PROGRAMS:
        house.terminal.operator(f"start {guest(program)}")
    for program in PROGRAMS:
        house.machine.rewind(begin)
        house.machine.expect(f"^{STAMP}{guest(program)}: .*(exited|stays stopped)", 4 * LIMIT_S)
    house.is_well()


def test_guests_come_and_go(house):
    """By a document that the operator types: planned, created, changed while it runs, deleted;
    the others notice nothing."""
    document = ('{name: extra, memory: 16 MiB, %s'
                'boot: {kernel: "esp:/tests/neighbour.elf"}}')
    house.open()

    def says(command):
        return "\n".join(house.terminal.operator(command))

    assert "guest 'extra' is created and started" in says("plan " + document % "")
    assert "extra" not in says("list")
    assert "It is transient" in says("create " + document % "")
    house.machine.expect(r"^extra\| neighbour 1$", 60)
    assert "There is a guest 'extra' already" in says("create " + document % "")
    said = says("apply " + document % "on_crash: restart, ")
    assert "guest 'extra' is changed while it runs:" in said
    assert "  on_crash: stop, then restart" in said
    assert "nothing changes" in says("plan " + document % "on_crash: restart, ")
    assert "there is no file" in says("apply {name: extra, memory: 8 MiB, boot: {kernel: "
                                      '"esp:/none"}}')
    assert re.search("^extra +running", says("list"), re.M)
    assert "memory: guest 'extra' has 16 MiB\n" in says("explain")
    assert "\nit runs" in says("explain extra")
    assert "memory" in PROGRAMS and "vCPU" in says("explain memory"), "a guest by that name"
    assert re.search("^pci:.*, mass storage, driver nvme: nvme0", says("explain devices"), re.M)
    assert re.search("^nvme0, .*: nobody has any of it now$", says("explain disks"), re.M)
    assert "it does not run: it starts when it is told to" in says("explain nothing") or \
        "it does not run: exited with status 0" in says("explain nothing")
    assert "guest 'extra' is switched off and deleted" in says("delete extra now")
    assert "extra" not in says("list")
    assert house.machine.count(r"^extra\| neighbour 1$") == 1
    house.is_well()
