"""The terminal: the log and all consoles on one line, its keys, and the operator's console."""

import hashlib
import json
import re
import subprocess
import time

import pytest

from tests.conftest import BUILD
from tests.system.terminal import STAMP

GUEST = """
  - name: {name}
    cpus: {cpus}
    memory: 256 MiB
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name={name}"
"""
TWO = ("guests:" + GUEST.format(name="alpha", cpus="{count: 2, pin: [2, 3]}")
       + GUEST.format(name="beta", cpus="{count: 2, allowed: [0, 1], cap: 90}"))
COMMAND = "\x1d"
HELP = r"^-- Ctrl-\] then: .*q quit"
PROMPT = r"^bulkhead> "


@pytest.fixture
def two(boot):
    """Two Linux guests, both with a shell; alpha has the keyboard."""
    machine = boot(TWO)
    machine.expect(HELP, 60)
    begin = machine.mark()
    for ready in ("^-- keyboard: alpha --$", r"^beta\| guest beta ready",
                  r"^alpha\| guest alpha ready"):
        machine.rewind(begin)  # in whatever order
        machine.expect(ready, 120)
    machine.expect(r"^alpha\| alpha# ", 60)
    return machine


def give_keyboard(machine, key, name):
    machine.send(COMMAND + key)
    machine.expect(f"^-- keyboard: {name} --$", 20)


def ask(machine, command, answer):
    """Types a command at the host's console; waits for `answer` and the prompt behind it."""
    machine.send(command + "\r")
    match = machine.expect(answer, 30)
    machine.expect(PROMPT, 30)
    return match


def counters(machine, name):
    """The words of `counters NAME`: a dictionary for the guest, then one for each vCPU."""
    start = len(machine.output)
    ask(machine, f"counters {name}", f"^counters {name} vcpu=1 .*$")
    lines = re.findall(f"^counters {name} (.*=.*)$", machine.output[start:], re.MULTILINE)
    return [dict(word.split("=") for word in line.split()) for line in lines]


def test_one_terminal_shows_all_and_types_to_one(two):
    """What is typed reaches the guest that has the keyboard, and nobody else."""
    two.expect(HELP, 60)  # once more, now that there is a prompt
    two.send("echo $(hostname)-$((40 + 2))\n")
    two.expect(r"^alpha\| alpha-42$", 20)
    give_keyboard(two, "n", "beta")
    two.send("echo $(hostname)-$((40 + 3))\n")
    two.expect(r"^beta\| beta-43$", 20)
    give_keyboard(two, "n", "host")
    give_keyboard(two, "p", "beta")
    give_keyboard(two, "1", "alpha")
    assert not two.count(r"^alpha\| .*-43$|^beta\| .*-42$")

    two.send(COMMAND + "9")
    two.expect("^-- there is no guest 9 --$", 20)
    two.send(COMMAND + "x")
    two.expect(r"^-- no such key\. Ctrl-\] then: ", 20)
    two.send(COMMAND + "?")
    two.expect(HELP, 20)
    two.send(COMMAND + "l")
    two.expect(rf"^{STAMP}beta: started: 2 vCPUs.*\n({STAMP}.*\n)*-- so far the log --$", 20)

    two.send(COMMAND + "o")
    two.expect("^-- only this one is shown", 20)
    two.send("echo solo-$((1 + 1))\n")
    two.expect("^solo-2$", 20)
    two.send(COMMAND + "o" + "echo all-$((1 + 1))\n")
    two.expect(r"^alpha\| all-2$", 20)


def test_what_is_pasted_arrives_whole(two):
    """More than any buffer on the way holds, to a guest and to the operator."""
    text = "".join(f"{number:04} {'pasted ' * 8}\n" for number in range(300))
    two.send("stty -echo; echo paste-$((1 + 1)); cat >pasted; stty echo; "
             "md5sum <pasted\n")
    two.expect(r"^alpha\| paste-2$", 20)
    two.send(text + "\x04")
    # Linux says XOFF and XON between its reads.
    two.expect(rf"^alpha\| [\x11\x13]*{hashlib.md5(text.encode()).hexdigest()} ", 120)

    give_keyboard(two, "h", "host")
    two.send("".join(f"word-{number}\r" for number in range(300)))
    for number in range(300):
        two.expect(rf'^There is no command "word-{number}"', 60)


def test_a_guest_that_floods_its_console_holds_nobody_up(two):
    """Nor can it do anything to the terminal while another has the keyboard."""
    give_keyboard(two, "2", "beta")
    two.send("printf 'a\\033[2Jb\\033]0;evil\\007c\\n'; while :; do echo flood; done\n")
    give_keyboard(two, "1", "alpha")
    two.expect(r"^(beta\| flood\n){20}", 30)
    two.send("for n in 1 2 3; do echo word-$n-$((n * n)); done\n")
    two.expect(r"^alpha\| word-3-9$", 60)
    give_keyboard(two, "h", "host")
    ask(two, "stop beta now", rf"^{STAMP}beta: .*by the operator")
    ask(two, "list", r"^beta +stopped .*by the operator")
    give_keyboard(two, "1", "alpha")
    two.send("echo still-$((1 + 1))\n")
    two.expect(r"^alpha\| still-2$", 20)
    assert "\x1b[2J" not in two.output.split("-- keyboard: alpha --")[-1]


def shown(machine, command):
    """All that a command prints at the host's console, without lines of others."""
    start = machine.output.rfind("\n") + 1  # the prompt's line, of which some may be there
    machine.send(f"{command}\rend-of-{start}\r")
    machine.expect(f'^There is no command "end-of-{start}"', 60)
    said = machine.output[start:].replace("\r", "").split("\n")
    return [line for line in said
            if not re.match(rf"{STAMP}|[a-z][a-z0-9-]*\| |bulkhead> |-- |There is no command", line)
            and line != command]


def check_what_programs_read(two):
    """JSON for any parser, and metrics of which promtool has nothing to complain about."""
    said = json.loads("\n".join(shown(two, "json guests")))
    alpha = said["guests"][0]
    assert [guest["name"] for guest in said["guests"]] == ["alpha", "beta"]
    assert alpha["state"] == "running" and alpha["memory_bytes"] == 256 << 20
    assert [vcpu["cpu"] for vcpu in alpha["vcpus"]] == [2, 3]
    assert alpha["vcpus"][0]["exits"]["cpuid"] > 0 and alpha["console"]["printed_bytes"] > 0
    for what in ("machine", "cpus", "memory", "disks", "sources", "groups", "strays", "nics",
                 "networks", "ports", "stations", "log"):
        rows = json.loads("\n".join(shown(two, f"json {what}")))
        assert list(rows) == [what] and isinstance(rows[what], list)
        assert what not in ("machine", "cpus", "memory", "log") or rows[what]
    ask(two, "json nothing", "^json takes one of: machine cpus memory guests .* log previous_log.$")

    text = "\n".join(shown(two, "metrics")) + "\n"
    checked = subprocess.run([BUILD / "promtool", "check", "metrics"], input=text, text=True,
                             check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert 'bulkhead_guest_state{guest="alpha",state="running"} 1' in text
    assert 'bulkhead_guest_memory_bytes{guest="beta"} 268435456' in text
    assert re.search(r'bulkhead_guest_vcpu_exits_total{guest="alpha",vcpu="1",reason="hlt"} \d+', text)


def listed(machine, name):
    """The line of `list` about a guest."""
    return next(line for line in shown(machine, "list") if line.startswith(f"{name} "))


def test_list_tells_what_a_guest_uses(two):
    """Run time is of the machine's clock, so a guest that is busy is busy on a slow machine too."""
    give_keyboard(two, "2", "beta")
    two.send("while :; do :; done &\n")
    give_keyboard(two, "h", "host")
    deadline = time.monotonic() + 60
    while not re.match(r"beta +running +2 +([6-9]\d|1\d\d) % .* 1  capped ", listed(two, "beta")):
        assert time.monotonic() < deadline, listed(two, "beta")
    give_keyboard(two, "2", "beta")
    two.send("kill $!\n")
    give_keyboard(two, "h", "host")
    deadline = time.monotonic() + 60
    while not re.match(r"beta +running +2 +[0-5]?\d % .* 1  - ", listed(two, "beta")):
        assert time.monotonic() < deadline, listed(two, "beta")
    ask(two, "show beta", r"^beta: running.*\n  in the last second: \d+ % of a CPU")
    ask(two, "stop beta now", rf"^{STAMP}beta: .*by the operator")
    assert re.match(r"beta +stopped +2 +- +256 MiB +- +- +1  - +.*by the operator",
                    listed(two, "beta"))
    said = [line for line in shown(two, "show beta") if line]
    assert said[0] == "beta: stopped, started 1 time so far" and len(said) == 4, said


def test_the_operator_sees_and_rules_guests(two):
    give_keyboard(two, "h", "host")
    ask(two, "help", "^shutdown +GUEST +press its power button")
    ask(two, "list", r"^alpha +running +2 +\d+ % +256 MiB +\d+ MiB .*\n"
        r"beta +running +2 +\d+ % +256 MiB +\d+ MiB ")
    ask(two, "show alpha", r"^alpha: running(.*\n)+  vCPU 1: .* on CPU 3")
    ask(two, "cpus", r"^  3 .*alpha/1\(")
    ask(two, "memory", r"^  alpha +256 MiB")
    ask(two, "log 3", rf"^{STAMP}beta: started")
    ask(two, "about", r"^Bulkhead \d+\.\d+\.\d+( \(build [0-9a-f]{12}\+?\))?, .*SVM on 4 CPUs")
    ask(two, "lost\b\b\bist", "^alpha +running")
    ask(two, "\x1b[A\x1b[As", '^There is no command "abouts"')
    check_what_programs_read(two)

    guest, *vcpus = counters(two, "alpha")
    assert guest["state"] == "running" and guest["starts"] == "1"
    assert int(guest["memory_bytes"]) == 256 << 20
    assert int(guest["populated_bytes"]) <= 256 << 20
    assert [vcpu["cpu"] for vcpu in vcpus] == ["2", "3"]
    assert all(int(vcpu["exits.cpuid"]) > 0 for vcpu in vcpus)

    ask(two, "dance", '^There is no command "dance"; `help` lists them')
    ask(two, "show gamma", '^There is no guest "gamma". The guests are: alpha beta.')
    ask(two, "start alpha", "^alpha: nothing to do")
    ask(two, "wait 5 s", "^No guest is being shut down")
    two.send("reset alpha\r")
    two.expect(r"^alpha\| guest alpha ready", 120)
    two.send("\r")
    two.expect(PROMPT, 20)
    ask(two, "list", r"^alpha +running .* 2  .*by the operator\n"
        r"(alpha\| .*\n)*beta +running .* 1  ")
    ask(two, "stop beta", "^beta is asked to shut down")
    two.expect(rf"^{STAMP}beta: powered off: ", 60)
    ask(two, "stop beta", "^beta: that does not go now")
    ask(two, "events 1", rf"^ +\d+ {STAMP}guest-stopped beta: powered off: ")
    ask(two, "jobs", "^There were no jobs yet")
    ask(two, "balloon alpha", "^alpha has 256 MiB and is to make do with 256 MiB")
    ask(two, "jobs", r"^ +1 done +balloon-state alpha, by the operator, \d+ s$")
    ask(two, "cancel 1", "^It has ended: done")
    two.send("start beta\r")
    two.expect(r"^beta\| guest beta ready", 120)


def test_quitting_takes_two_keys(two):
    two.send(COMMAND + "q")
    two.expect("^-- power this machine off", 20)
    two.send("n")
    two.expect("^-- it stays on --$", 20)
    two.send(COMMAND + "qq")
    two.expect("power: powering off$", 30)
    two.wait(20)


def test_without_guests_the_host_answers(boot):
    """A document with mistakes starts nobody; the reason is shown, and the console is there."""
    machine = boot(TWO.replace("memory: 256 MiB", "memoory: 256 MiB", 1), {})
    machine.expect(r"config: .*:\d+:\d+: .*memoory", 60)
    machine.expect("config: .*no guest is started", 20)
    machine.expect(PROMPT, 20)
    ask(machine, "list", "^There are no guests")
    ask(machine, "show", "^The guests are: none")
    ask(machine, "log 30", "config: .*memoory")
    machine.send("reboot\r")
    machine.expect("power: resetting$", 20)
    machine.wait(20)  # QEMU was told to end with a reset


def test_the_console_can_be_on_the_second_port(boot, tmp_path):
    log = tmp_path / "com2.log"
    machine = boot("host:\n  console: {serial: com2, baud: 9600}\nguests: []\n", {},
                   extra=("-serial", f"file:{log}"))
    machine.expect("up .* ms after", 60)
    deadline = time.monotonic() + 30
    while not re.search(PROMPT, log.read_text(errors="replace"), re.MULTILINE):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert not machine.count(PROMPT)
