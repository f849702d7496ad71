"""Bulkhead's terminal as a person uses it: keys that choose who is typed to, the operator's
commands, and the sample guests' shells. Not a machine: that is tools/qemu/machine.py.
"""

import itertools
import re
import time

PROMPT = "bulkhead> "
NAME = r"[a-z][a-z0-9-]*"
# What a line of the log begins with: the time of day, once it is known, and seconds since the start.
STAMP = r"(?:\d\d:\d\d:\d\d )?\[ *\d+\.\d+\] "


class Terminal:
    """Types to one machine, whose document names its guests in the order `guests`."""

    def __init__(self, machine, guests):
        self.machine = machine
        self.numbers = {name: number for number, name in enumerate(("host", *guests))}
        self._marks = itertools.count(1)
        self._keyboard = None

    def keyboard(self, name):
        """Gives the keyboard to a guest, or to the operator's console ("host")."""
        if self._keyboard != name:
            self.machine.send(f"\x1d{self.numbers[name]}")
            self.machine.expect(f"-- keyboard: {name} --$", 60)
        self._keyboard = name

    def operator(self, command, timeout_s=60):
        """The lines that a command of the operator's console prints."""
        self.keyboard("host")
        begin = self.machine.output.rfind("\n") + 1  # the prompt's line
        # A command that nobody knows is an end that nothing else looks like.
        mark = f"end-{next(self._marks)}"
        self.machine.send(f"{command}\n{mark}\n")
        self.machine.expect(f'^There is no command "{mark}"', timeout_s)
        lines = self.machine.output[begin:].split("\n")
        return [line for line in lines
                if not re.match(rf"{STAMP}|{NAME}\| |{PROMPT}|-- |There is no command", line)]

    def shell(self, guest, command, timeout_s=60):
        """What a command prints in a guest's shell."""
        self.keyboard(guest)
        begin = self.machine.output.rfind("\n") + 1
        mark = next(self._marks)
        self.machine.send(f"{command}\necho end$(({mark}+1000))\n")
        self.machine.expect(rf"end{mark + 1000}$", timeout_s)
        said = re.findall(rf"{guest}\| (.*)$", self.machine.output[begin:], re.M)
        return "\n".join(line for line in said if "echo end" not in line)

    def counters(self, guest, of="vcpu"):
        """The guest's counters: a dictionary for the guest, and a list of one for each vCPU, or
        for each device of a kind (of="disk")."""
        found = []
        for line in self.operator(f"counters {guest}"):
            words = line.split()
            if words[:2] == ["counters", guest]:
                found.append({key: int(value) if value.isdigit() else value
                              for key, value in (word.split("=") for word in words[2:])})
        return found[0], [each for each in found[1:] if of in each]

    def wait_for_state(self, guest, state, timeout_s=60):
        """Until the operator's console says that the guest is in this state."""
        deadline = time.monotonic() + timeout_s
        while (now := self.counters(guest)[0]["state"]) != state:
            assert time.monotonic() < deadline, f"{guest} is {now} and not {state}"
            time.sleep(0.5)
