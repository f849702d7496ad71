"""The machine's CPUs: all come up whatever their number, and a fault on one of them ends the
machine with all that a person needs to know. No guest is started."""

import re
import socket
import subprocess
import time

import pytest

from tests.conftest import ROOT
from tools.qemu.machine import Machine

BUILD = ROOT / "build"

# QEMU's `mce CPU BANK STATUS MCG_STATUS ADDRESS MISC`: an uncorrected error with an address.
STATUS = 0xB600000000000135
ADDRESS = 0x123456789000
MACHINE_CHECK = f"mce 2 4 {STATUS:#x} 0x5 {ADDRESS:#x} 0x8c\n"


@pytest.fixture
def start(request, tmp_path):
    """start(cpus) boots Bulkhead without guests and returns the machine once all CPUs run."""
    machines = []

    def start_machine(cpus, online, **options):
        image = tmp_path / "cpus.img"
        config = tmp_path / "bulkhead.yaml"
        config.write_text("guests: []\n", encoding="utf-8")
        subprocess.run([ROOT / "tools/image/mkimage", image, "--boot", BUILD / "BOOTX64.EFI",
                        "--kernel", BUILD / "kernel.elf", "--config", config], check=True)
        name = re.sub(r"\W+", "-", request.node.name)
        machine = Machine(image, name=name, limit_s=120, cpus=cpus, **options)
        machines.append(machine)
        machine.start()
        machine.expect(rf"smp: {online} of {online} CPUs? run", 60)
        return machine

    yield start_machine
    for machine in machines:
        machine.stop()


@pytest.mark.parametrize("cpus", [1, 4, 16])
def test_every_cpu_comes_up(start, cpus):
    start(cpus, cpus)


def test_empty_sockets_are_not_waited_for(start):
    """The MADT lists them, disabled."""
    start("2,maxcpus=6", 2)


def test_a_cpu_without_x2apic_or_smap_will_do(start):
    start(2, 2, cpu="EPYC,-smap,-smep,-x2apic,-pdpe1gb,-umip,check=off")


def test_a_fault_is_told_with_cpu_registers_and_names(start, tmp_path):
    path = tmp_path / "monitor"
    machine = start(4, 4, extra=("-monitor", f"unix:{path},server,nowait"))
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(path))
        monitor.sendall(b"nmi\n")
        time.sleep(1)
        assert not machine.count("panic:"), "an NMI that nobody asked for is harmless"
        monitor.sendall(MACHINE_CHECK.encode())
        machine.expect("panic: error: machine check$", 20)
    machine.expect("panic: CPU 2, vector 18, error code 0$")
    machine.expect("panic: RIP ffffffff8[0-9a-f]{7} CS  0008 RFLAGS [0-9a-f]{8}$")
    machine.expect("panic: RSP ffffc[0-9a-f]{11} ")
    machine.expect(f"panic: bank 4: status {STATUS:#x} address {ADDRESS:#x}$")
    machine.expect(r"panic:   #0 +0xffffffff8[0-9a-f]{7} [a-z]\w+\+0x")
    machine.expect(r"panic:   #\d+ +0xffffffff8[0-9a-f]{7} ap_entry\+0x")
    machine.expect("panic: The machine is stopped")
