"""Guests' networks: Linux guests exchange data with each other, through NICs with and without
VLAN tags, and with the outside; filters and limits hold. One machine serves all tests.

What NICs do when their links fail is test_nics.py's; hostile frames are tests/guest's and the unit
tests' business.
"""

import hashlib
import http.server
import os
import re
import threading

import pytest

from tests.conftest import LINUX, ROOT, housekeeping, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

BULK_BYTES = 4 << 20
PAGE_BYTES = 1 << 20
# Of alpha, in KiB per second: little, so that it is the limits that are measured.
SENDS, RECEIVES = 256, 512
LIMITED_BYTES = 1 << 20

# nic0 leads to QEMU's user network; nic1 and nic2 to one wire, where VLAN 5 joins two networks.
EXTRA = ["-netdev", "user,id=outside", "-device", "e1000e,netdev=outside",
         "-netdev", "hubport,id=wire1,hubid=1", "-device", "e1000e,netdev=wire1",
         "-netdev", "hubport,id=wire2,hubid=1", "-device", "virtio-net-pci,netdev=wire2"]

DOCUMENT = """
host: {housekeeping: HOUSEKEEPING}
networks:
  - {name: lan}
  - {name: slow}
  - {name: wan, uplink: nic0}
  - {name: left, uplink: nic1, vlan: 5}
  - {name: right, uplink: nic2, vlan: 5}
  - {name: untagged, uplink: nic2}
  - {name: fast}
  - {name: honest}
guests:
"""

PROGRAM = {"tests/virtio_net.elf": ROOT / "build/guest/virtio_net.elf"}


def guest(name, nics):
    return f"""
  - name: {name}
    cpus: {{count: 2}}
    memory: 256 MiB
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name={name}"
    nics: [{nics}]
"""


DOCUMENT += guest("alpha", "{network: lan, addresses: [10.1.0.1]}, {network: wan}, "
                           f"{{network: left}}, {{network: slow, limits: "
                           f"{{send: {SENDS} KiB, receive: {RECEIVES} KiB}}}}")
DOCUMENT += guest("beta", "{network: lan, addresses: [10.1.0.2]}, {network: untagged}, "
                          "{network: right}, {network: slow}")



def program(name, number):
    """One of the two guests of tests/guest/virtio_net.c, whose MAC addresses say who is who."""
    mac = f'mac: "02:00:00:00:00:0{number}"'
    return f"""
  - name: {name}
    cpus: {{count: 1}}
    memory: 16 MiB
    boot: {{kernel: "esp:/tests/virtio_net.elf"}}
    autostart: false
    debug_exit: true
    nics:
      - {{network: fast, {mac}}}
      - {{network: honest, {mac}, addresses: [10.0.0.{number}]}}
"""


DOCUMENT += program("sender", 1) + program("receiver", 2)

# What busybox's DHCP client does with an answer.
DHCP_SCRIPT = r"""#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface
ip route add default via $router
echo "bound $ip"
"""


@pytest.fixture(scope="module", name="house", params=housekeeping("[0, 1]"))
def fixture_house(request, tmp_path_factory):
    """The terminal of a machine whose guests are up, with addresses 10.N.0.1 and 10.N.0.2."""
    image = make_image(tmp_path_factory.mktemp("network") / "image",
                       DOCUMENT.replace("HOUSEKEEPING", request.param),
                       {**LINUX, **PROGRAM})
    with Machine(image, name="network", limit_s=600, extra=EXTRA) as machine:
        begin = machine.mark()
        for name in ("alpha", "beta"):
            machine.rewind(begin)
            machine.expect(rf"^{name}\| guest {name} ready", 120)
        terminal = Terminal(machine, ["alpha", "beta", "sender", "receiver"])
        for number, name in enumerate(("alpha", "beta"), 1):
            terminal.shell(name, "for i in 0 2 3; do ip link set eth$i up; "
                                 f"ip addr add 10.$((i + 1)).0.{number}/24 dev eth$i; done")
        yield terminal


def send(house, sender, receiver, address, count):
    """Sends `count` random bytes over TCP; they must arrive. The seconds it took."""
    house.shell(sender, f"head -c {count} /dev/urandom >/tmp/data")
    house.shell(receiver, "nc -l -p 5000 >/tmp/got &")
    said = house.shell(sender, f"sleep 1; time nc {address} 5000 </tmp/data", 180)
    there = house.shell(receiver, "wait; md5sum </tmp/got; rm /tmp/got")
    here = house.shell(sender, "md5sum </tmp/data")
    digest = re.search(r"[0-9a-f]{32}", here)
    assert digest and digest[0] in there, f"{here}\n{there}"
    took = re.search(r"real\s+(\d+)m ([\d.]+)s", said)
    return 60 * int(took[1]) + float(took[2])


def drops(house, port):
    """What the operator's console says was dropped at a port: a dictionary."""
    text = "\n".join(house.operator("networks"))
    about = re.search(rf"^  {re.escape(port)}: .*\n.*\n(    dropped: .*)?", text, re.M)
    return {word: int(count) for word, count in re.findall(r"([a-z-]+) (\d+)", about[1] or "")}


def test_no_frame_is_lost(house):
    """200 000 frames from one program to another; then frames that lie, which do not arrive."""
    machine = house.machine
    begin = len(machine.output)
    for name in ("receiver", "sender"):
        house.operator(f"start {name}")
    for name in ("receiver", "sender"):
        machine.rewind(begin)
        machine.expect(rf"\] {name}: exited with status \d+\n", 150)
    said = machine.output[begin:]
    assert not re.findall(r"^(?:sender|receiver)\| FAIL.*$", said, re.M)
    assert re.search(r"^receiver\| PASS frames received", said, re.M)
    assert len(re.findall(r"\] (?:sender|receiver): exited with status 0", said)) == 2


def test_bulk_between_guests(house):
    send(house, "alpha", "beta", "10.1.0.2", BULK_BYTES)
    send(house, "beta", "alpha", "10.1.0.1", BULK_BYTES)
    for name in ("alpha", "beta"):
        nic = house.counters(name, of="nic")[1][0]
        # Each frame was copied once from the sender and once to the receiver.
        assert nic["bytes_copied"] <= nic["rx_bytes"] + nic["tx_bytes"]
        # Segments of TCP went as they were, not one by one.
        assert nic["tx_packets"] < 2 * BULK_BYTES / 1448
        assert not set(drops(house, f"{name}.0")) & {"full", "no-memory", "malformed"}


def test_vlan_over_the_wire(house):
    send(house, "alpha", "beta", "10.3.0.2", PAGE_BYTES)
    send(house, "beta", "alpha", "10.3.0.1", PAGE_BYTES)
    # The network without a tag on the same NIC has seen nothing of it.
    assert house.counters("beta", of="nic")[1][1]["rx_packets"] == 0


class Page(http.server.BaseHTTPRequestHandler):
    content = os.urandom(PAGE_BYTES)

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(PAGE_BYTES))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def test_outside(house):
    """An address by DHCP, and a page over HTTP from this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        house.shell("alpha", f"printf '%s' '{DHCP_SCRIPT}' >/tmp/dhcp; chmod +x /tmp/dhcp; "
                             "ip link set eth1 up")
        said = house.shell("alpha", "udhcpc -n -q -i eth1 -s /tmp/dhcp", 60)
        assert "bound 10.0.2.15" in said
        said = house.shell(
            "alpha", f"wget -q -O - http://10.0.2.2:{server.server_port}/ | sha256sum", 120)
        server.shutdown()
    assert hashlib.sha256(Page.content).hexdigest() in said


def test_filters(house):
    """A guest that takes its neighbour's address gets no answer, and its neighbour no question."""
    before = drops(house, "alpha.0").get("spoofed-address", 0)
    assert "1 packets received" in house.shell("alpha", "ping -c 1 -W 5 10.1.0.2", 30)
    said = house.shell("alpha", "ip addr add 10.1.0.77/24 dev eth0; "
                                "ping -c 3 -W 1 -I 10.1.0.77 10.1.0.2; "
                                "arping -c 2 -w 3 -U -I eth0 10.1.0.77", 30)
    assert " 0 packets received" in said
    assert drops(house, "alpha.0")["spoofed-address"] >= before + 3
    known = house.shell("beta", "ip neigh")
    assert "10.1.0.1 " in known and "10.1.0.77" not in known
    house.shell("alpha", "ip addr del 10.1.0.77/24 dev eth0")
    # Nor can it have another MAC address.
    said = house.shell("alpha", "ip link set eth0 down; "
                                "ip link set eth0 address 02:00:00:00:00:99; ip link set eth0 up")
    assert "ip:" in said or "SIOCSIFHWADDR" in said
    assert "1 packets received" in house.shell("alpha", "ping -c 1 -W 5 10.1.0.2", 30)


def test_limits(house):
    """What a guest sends waits, and of what it receives too much is lost. How exact limits are is
    tests/unit's; here, on a busy build machine, guests may not get to send so much, limit or not."""
    free = LIMITED_BYTES / send(house, "alpha", "beta", "10.1.0.2", LIMITED_BYTES)
    rate = LIMITED_BYTES / send(house, "alpha", "beta", "10.4.0.2", LIMITED_BYTES)
    assert 0.4 * min(free, SENDS << 10) < rate < 1.15 * (SENDS << 10)
    assert "full" not in drops(house, "alpha.3")
    seconds = send(house, "beta", "alpha", "10.4.0.1", LIMITED_BYTES)
    assert 0.3 * min(free, RECEIVES << 10) < LIMITED_BYTES / seconds < 1.15 * (RECEIVES << 10)
