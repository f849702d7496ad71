"""The machine's NICs and old disks under a Linux guest: each NIC fetches and sends whole files,
loses its link and has it back; disks keep what they are given and say what they cannot read."""

import os
import re
import socket
import subprocess

import pytest

from tests.conftest import LINUX, housekeeping, make_image
from tests.system.server import Server
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

NICS = ("e1000e", "e1000", "virtio-net-pci")  # on slirp: nic0, nic1, nic2; nic3 is on a tap
DISK_BYTES = 8 << 20
BAD_SECTOR = 8192  # what blkdebug fails to read, of the virtio disk


def document(nics, cpus):
    networks = "".join(f"  - {{name: net{n}, uplink: nic{n}}}\n" for n in range(nics))
    plugs = ", ".join(f"{{network: net{n}}}" for n in range(nics))
    return f"""
host: {{housekeeping: {cpus}}}
networks:
{networks}
guests:
  - name: alpha
    memory: 256 MiB
    boot: {{kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0"}}
    nics: [{plugs}]
    disks: [{{source: "disk:OLD"}}, {{source: "disk:VIRTIO"}}]
"""


class Tap:
    """An interface of this machine whose other end is a NIC of QEMU's: unlike slirp, Linux hands
    over and takes whole TCP segments of up to 64 KiB. `problem`: why there is none."""

    def __init__(self):
        self.name = f"bulkhead{os.getpid()}"
        self.address = "10.254.77.1"
        self.problem = None
        for command in (f"tuntap add dev {self.name} mode tap vnet_hdr",
                        f"addr add {self.address}/24 dev {self.name}",
                        f"link set {self.name} up"):
            try:
                subprocess.run(["ip", *command.split()], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as why:
                self.problem = str(why)
                return

    def words(self, number):
        return ["-netdev", f"tap,id=n{number},ifname={self.name},script=no,downscript=no",
                "-device", f"virtio-net-pci,netdev=n{number},id=nic{number}"]

    def close(self):
        subprocess.run(["ip", "link", "del", self.name], check=False, capture_output=True)


def monitor(path, command):
    """One command of QEMU's monitor."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        said = b""
        for words in ("", command + "\n"):
            line.sendall(words.encode())
            while said.count(b"(qemu) ") < (2 if words else 1):
                said += line.recv(4096)


def disk_words(directory):
    for name in ("old", "virtio"):
        with open(directory / name, "wb") as disk:
            disk.truncate(DISK_BYTES)
    debug = directory / "blkdebug.conf"
    debug.write_text(f'[inject-error]\nevent = "read_aio"\nerrno = "5"\n'
                     f'sector = "{BAD_SECTOR}"\n', encoding="ascii")
    return ["-device", "piix3-ide,id=pata",
            "-drive", f"if=none,id=old,format=raw,file={directory}/old",
            "-device", "ide-hd,drive=old,bus=pata.0,serial=OLD",
            "-drive", f"if=none,id=virtio,format=raw,file=blkdebug:{debug}:{directory}/virtio",
            "-device", "virtio-blk-pci,drive=virtio,serial=VIRTIO"]


@pytest.fixture(scope="module", name="tap")
def fixture_tap():
    tap = Tap()
    yield tap
    tap.close()


@pytest.fixture(scope="module", name="monitor_path")
def fixture_monitor_path(tmp_path_factory):
    return tmp_path_factory.mktemp("monitor") / "monitor"


@pytest.fixture(scope="module", name="machine", params=housekeeping("[0]"))
def fixture_machine(request, tmp_path_factory, monitor_path, tap):
    directory = tmp_path_factory.mktemp("nics")
    nics = len(NICS) + (tap.problem is None)
    image = make_image(directory / "boot.img", document(nics, request.param), LINUX)
    extra = ["-monitor", f"unix:{monitor_path},server=on,wait=off", *disk_words(directory)]
    for number, device in enumerate(NICS):
        extra += ["-netdev", f"user,id=n{number},net=10.0.{number + 2}.0/24",
                  "-device", f"{device},netdev=n{number},id=nic{number}"]
    if tap.problem is None:
        extra += tap.words(len(NICS))
    with Machine(image, name="nics", limit_s=500, cpus=2, memory_mib=1024,
                 extra=extra) as machine:
        machine.expect("guest linux ready", 120)
        terminal = Terminal(machine, ["alpha"])
        terminal.shell("alpha", f"head -c {Server.BYTES} /dev/urandom >/tmp/file; "
                       "for i in 0 1 2; do ip link set eth$i up; "
                       "ip addr add 10.0.$((i + 2)).15/24 dev eth$i; done; "
                       "ip link set eth3 up; ip addr add 10.254.77.2/24 dev eth3")
        yield terminal


def exchange(machine, server, address):
    """Fetches the server's file and sends /tmp/file, at once; both must arrive whole."""
    sent = machine.shell("alpha", "sha256sum </tmp/file")
    said = machine.shell("alpha", f"nc {address} {server.port} </tmp/file | sha256sum", 60)
    assert server.digest in said, said
    assert server.received.pop() in sent, sent


@pytest.mark.parametrize("number", range(len(NICS)), ids=NICS)
def test_nic(machine, monitor_path, number):
    server = Server()
    exchange(machine, server, f"10.0.{number + 2}.2")
    for state, switch in (("down", "off"), ("up", "on")):
        monitor(monitor_path, f"set_link nic{number} {switch}")
        machine.machine.expect(rf"\] net: (?:warning: )?nic{number}: the link is {state}", 30)
    exchange(machine, server, f"10.0.{number + 2}.2")


def test_segments(machine, tap):
    """Long TCP segments stay whole both ways, through a virtio NIC that has them."""
    if tap.problem:
        pytest.skip(f"no interface can be made here: {tap.problem}")
    exchange(machine, Server(tap.address), tap.address)
    lines = "\n".join(machine.operator("networks"))
    nic = re.search(r"^nic3 .*\n.* errors 0; sent (\d+) .*\n.*copied ([\d.]+) (.)iB", lines, re.M)
    port = re.search(r"^ +alpha\.3: .*\n.*, sent (\d+) ", lines, re.M)
    assert nic and port, lines
    assert nic[1] == port[1], f"the switch has cut segments: {lines}"
    copied = float(nic[2]) * {"K": 1 << 10, "M": 1 << 20}[nic[3]]
    assert copied > Server.BYTES / 2, f"none was put together: {lines}"


@pytest.mark.parametrize("disk", ["vda", "vdb"])
def test_disk(machine, disk):
    """What was written comes back, in whole pages, in odd pieces, and past the cache."""
    for piece in (1000, 4096, 200000):
        machine.shell("alpha", "head -c 1000000 /dev/urandom >/tmp/x")
        machine.shell("alpha", f"dd if=/tmp/x of=/dev/{disk} bs={piece} seek=1 conv=fsync")
        machine.shell("alpha", "echo 3 >/proc/sys/vm/drop_caches")
        said = machine.shell("alpha", f"dd if=/dev/{disk} bs={piece} skip=1 2>/dev/null | "
                             "head -c 1000000 | cmp - /tmp/x && echo same")
        assert re.search("^same$", said, re.M), said


def test_disk_error(machine):
    """A sector that cannot be read is the guest's to know; the log has it in one line."""
    def read(sector):
        return machine.shell("alpha", f"dd if=/dev/vdb of=/dev/null bs=512 count=1 skip={sector} "
                             "&& echo good")

    assert "\ngood" in read(BAD_SECTOR - 8)
    for _ in range(3):
        assert "I/O error" in read(BAD_SECTOR)
    assert "\ngood" in read(BAD_SECTOR + 8)
    assert machine.machine.count(r"virtio0: .*read of .* at 0x400000: an I/O error") == 1
    assert re.search(r"^virtio0:.*\n.*errors [1-9]\d*\n.*tried again [1-9]",
                     "\n".join(machine.operator("disks")), re.M)
