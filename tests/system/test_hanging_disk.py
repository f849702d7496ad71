"""A disk that does not answer: its own guest can be stopped while it starts; all others start,
stop and restart meanwhile; the operator's console answers, and the machine is switched off. Ends
that hang, and removal, are test_guest_stuck's (tests/unit).
"""

import subprocess

from tests.conftest import LINUX
from tests.system.terminal import Terminal

MIB = 1 << 20
CPUS = 4
# `slow` starts from what is found by looking through disks.
DOCUMENT = """
guests:
  - name: web
    memory: 160 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0 quiet bulkhead.name=web"}
  - name: slow
    autostart: false
    cpus: {pin: [2]}
    memory: 160 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0 quiet bulkhead.name=slow"}
    disks: [{source: "part:data"}]
  - name: heir
    autostart: false
    memory: 160 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0 quiet bulkhead.name=heir"}
"""
BOOT_S = 240


def limit(machine, bytes_per_second):
    """0: none. With one byte a second the next request passes and no other, for hours."""
    machine.qmp("block_set_io_throttle", id="slow", bps=bytes_per_second, bps_rd=0, bps_wr=0,
                iops=0, iops_rd=0, iops_wr=0)


def state(terminal, guest):
    return next(line.split()[1] for line in terminal.operator("list")
                if line.startswith(f"{guest} "))


def tell(machine, terminal, command, said, limit_s=60):
    """Gives a command, of which the log says something then."""
    begin = machine.mark()
    terminal.operator(command)
    machine.rewind(begin)
    machine.expect(said, limit_s)


def check_others(machine, terminal):
    """A guest runs on, is reset and is there again, as if nothing were."""
    tell(machine, terminal, "reset web", "web: started")
    assert state(terminal, "web") == "running"


def check_a_start(machine, terminal):
    """The start hangs, and is given up; what it was to have is not held up by it."""
    limit(machine, 1)
    terminal.operator("start slow")
    assert state(terminal, "slow") == "starting"
    begin = machine.mark()
    terminal.operator("stop slow now")
    tell(machine, terminal, "start heir", "heir: started: 1 vCPU on ")
    check_others(machine, terminal)
    tell(machine, terminal, "stop heir now", "heir: stopped: by the operator")
    machine.rewind(begin)
    machine.expect("slow: stopped by the operator before it ran", 60)
    assert state(terminal, "slow") == "stopped"
    limit(machine, 0)


def test_a_disk_that_hangs(boot, tmp_path):
    disk = tmp_path / "slow.img"
    with open(disk, "wb") as image:
        image.truncate(16 * MIB)
    subprocess.run(["/usr/sbin/sgdisk", "--new=1:2048:0", "--change-name=1:data", disk],
                   check=True, stdout=subprocess.DEVNULL)
    machine = boot(DOCUMENT, LINUX, cpus=CPUS, memory_mib=1536, limit_s=900, extra=[
        "-drive", f"if=none,id=slow-drive,format=raw,file={disk}",
        "-device", "nvme,id=slow,drive=slow-drive,serial=SLOW"])
    machine.expect(r"^web\| .*guest web ready", BOOT_S)
    terminal = Terminal(machine, ["web", "slow", "heir"])
    check_a_start(machine, terminal)
    # Another start hangs, and the machine is switched off all the same.
    limit(machine, 1)
    terminal.operator("start slow")
    assert state(terminal, "slow") == "starting"
    machine.send("\x1dqq")
    machine.wait(180)
