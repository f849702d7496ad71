"""A Linux guest that panics, and one that hangs, are seen: they end with a reason, and start
again."""

import re
import time

from tests.system.terminal import STAMP
from tests.system.test_linux import BOOT_S, booted, guest, wait_for

DOCUMENT = "guests:" + guest("mortal", "{count: 2}", more="on_crash: restart")


def dies(terminal, command, reason):
    """Its shell runs the command, and it is up again; what `list` says of it."""
    machine = terminal.machine
    terminal.keyboard("mortal")
    machine.send(f"{command}\n")
    machine.expect(f"^{STAMP}mortal: error: crashed: {reason}$", BOOT_S)
    wait_for(machine, ["mortal"])
    return "\n".join(terminal.operator("list"))


def shown(terminal, what):
    """What the guest's kernel says of its watchdog."""
    said = terminal.shell("mortal", f"echo is=$(cat /sys/class/watchdog/watchdog0/{what})")
    return re.search(r"^is=(.*)$", said, re.M)[1]


def test_a_panic_and_a_hang_are_ends_with_a_reason(tmp_path):
    with booted(tmp_path, "death", DOCUMENT, ["mortal"]) as terminal:
        assert shown(terminal, "state") == "active"
        assert shown(terminal, "timeout") == "60"
        assert shown(terminal, "bootstatus") == "0"

        # A CPU that is taken offline halts with interrupts off, as the dead do, and is well.
        online = "/sys/devices/system/cpu/cpu1/online"
        assert "now=0" in terminal.shell("mortal", f"echo 0 >{online}; echo now=$(cat {online})")
        time.sleep(15)
        assert "interrupts off" not in "\n".join(terminal.operator("list"))
        assert any("vCPU 1: halted" in line for line in terminal.operator("show mortal"))
        assert "now=1" in terminal.shell("mortal", f"echo 1 >{online}; echo now=$(cat {online})")

        panicked = r"the guest's kernel panicked \(pvpanic\)"
        listed = dies(terminal, "echo c >/proc/sysrq-trigger", panicked)
        assert "crashed: the guest's kernel panicked (pvpanic)" in listed
        # The kernel's last words were let out.
        assert terminal.machine.count("Kernel panic - not syncing: sysrq triggered crash") == 1

        # Who serves the watchdog stops for good.
        listed = dies(terminal, "killall watchdog; sleep 1; watchdog -T 4 -t 1 /dev/watchdog; "
                      "sleep 3; killall -STOP watchdog",
                      "the guest did not serve its watchdog for 4.0 s")
        assert "crashed: the guest did not serve its watchdog for 4.0 s" in listed
        assert shown(terminal, "bootstatus") == "32"  # WDIOF_CARDRESET
        counted = terminal.counters("mortal")[0]
        assert [counted[of] for of in ("starts", "crashes", "panics", "watchdog_ends")] == \
            [3, 2, 1, 1]
