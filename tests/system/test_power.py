"""Powering off: guests go by their orders, each has its time, who is cut is named with what it was
doing, and the operator sees for whom it waits. One machine, whose guests all end."""

from tests.conftest import LINUX, make_image
from tests.system.terminal import STAMP, Terminal
from tools.qemu.machine import Machine

BOOT_S = 240


def guest(name, cmdline, keys):
    return f"""
  - name: {name}
    cpus: {{count: 1}}
    memory: 192 MiB
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name={name} {cmdline}"
    {keys}
"""


# `late` reads its button's event, and nobody there obeys; `boots` never comes to its drivers.
CONFIG = "host: {name: node1}\nguests:" + \
    guest("web", "", "start: {order: 2}") + \
    guest("storage", "", "start: {order: 1, delay: 1 s}") + \
    guest("late", "bulkhead.run=\\\"killall -9 acpid\\\"",
          "start: {order: 3}\n    shutdown: {timeout: 15 s}") + \
    guest("boots", "rdinit=/bin/sleep -- 9999",
          "autostart: false\n    start: {order: 3}\n    shutdown: {timeout: 5 s}")


def test_guests_go_by_their_orders_and_in_their_time(tmp_path):
    image = make_image(tmp_path / "power.img", CONFIG, LINUX)
    with Machine(image, name="power", limit_s=600) as machine:
        for name in ("storage", "web", "late"):  # as they start
            machine.expect(rf"^{STAMP}{name}: started: ", BOOT_S)
        begin = machine.mark()
        for name in ("storage", "web", "late"):
            machine.rewind(begin)
            machine.expect(rf"^{name}\| guest {name} ready: .*$", BOOT_S)
        terminal = Terminal(machine, ["web", "storage", "late", "boots"])

        # One that is called off runs on, and policies count as ever.
        begin = machine.mark()
        terminal.operator("start boots")
        machine.rewind(begin)
        machine.expect(rf"^{STAMP}boots: started: ", 60)
        begin = machine.mark()
        terminal.operator("poweroff")
        jobs = terminal.operator("jobs")
        assert any("poweroff, by the operator" in line for line in jobs), jobs
        assert any("waiting for late (" in line and "boots (booting, " in line
                   for line in jobs), jobs
        assert any("is asked to stop" in line for line in terminal.operator("cancel 1"))
        machine.rewind(begin)
        machine.expect(rf"^{STAMP}power: the machine stays on", 60)

        machine.send("\x1dqq")
        machine.expect(rf"^{STAMP}power: waiting for late \(.*, 15 s\), boots \(booting, 5 s\)", 60)
        machine.expect(rf"^{STAMP}boots: warning: is switched off by the operator, \d+ s after "
                       r"it was asked to shut down: it was still booting$", 60)
        machine.expect(rf"^{STAMP}late: warning: is switched off by the operator, \d+ s after "
                       r"it was asked to shut down: it had read its power button's event, and "
                       r"was late$", 60)
        machine.expect(rf"^{STAMP}web: powered off: ", 120)
        machine.expect(rf"^{STAMP}storage: powered off: ", 120)
        machine.expect(rf"^{STAMP}power: powering off", 30)
        machine.wait(60)
