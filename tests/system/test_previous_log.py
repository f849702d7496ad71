"""The log of the run before the last reset, on a machine that keeps its memory over one, as QEMU with
its firmware does."""

from tests.system.terminal import STAMP, Terminal

STARTED = rf"{STAMP}boot: up \d+ ms"
NONE = "no log of a run before: power came just now"
LEFT = "the run before the reset left its log: `log previous` shows it"
# Of a CPU, bank 4: not corrected, and the processor's context is lost.
MACHINE_CHECK = "mce -b 1 4 0xbe00000000000135 4 0xfee1dead 0"


def previous(terminal):
    terminal.keyboard("host")
    begin = len(terminal.machine.output)
    terminal.machine.send("log previous\nend-of-it\n")
    terminal.machine.expect('^There is no command "end-of-it"', 60)
    return terminal.machine.output[begin:]


def test_the_log_of_the_run_before_is_kept(boot):
    machine = boot("no: document\n", {}, resets=True, memory_mib=512)
    machine.expect(NONE, 60)
    machine.expect(STARTED, 60)
    terminal = Terminal(machine, [])
    assert "There is none: power came with this run" in previous(terminal)

    machine.monitor(MACHINE_CHECK)
    machine.expect("panic: The machine is stopped", 60)
    machine.monitor("system_reset")
    machine.expect(LEFT, 90)
    machine.expect(STARTED, 60)
    terminal = Terminal(machine, [])
    said = previous(terminal)
    assert NONE in said and "panic: error: machine check" in said, said
    assert "panic: The machine is stopped" in said, said

    terminal.operator("about")
    machine.send("reboot\n")
    machine.expect(LEFT, 90)
    machine.expect(STARTED, 60)
    said = previous(Terminal(machine, []))
    assert LEFT in said and "power: resetting" in said, said
    assert "panic" not in said, said
    assert "shutdown_timeout has passed" not in said, "nobody was waited for"
