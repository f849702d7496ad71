"""Instructions and exits per TCP segment sent and received through a virtio interface.

tests/bench/guest/net.c talks to this machine through QEMU's user network: as a guest's process,
through the switch and the machine's NIC, and in the same kernel with no hypervisor on that NIC.
A segment is what 1448 bytes would be on the wire; offloads send many at once.
"""

import pathlib
import re
import socket
import tempfile
import threading

from figures import ROOT, record
from linux import COUNT, SAMPLES, bare, guest, initramfs

SIZE = 8 << 20  # of net.c
SEGMENTS = SIZE / 1448
KINDS = {1: "send", 3: "receive"}
NIC = ["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,disable-legacy=on"]
SET_UP = "ip link set eth0 up; udhcpc -qn -i eth0 -s /udhcpc"
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && ip addr add $ip/24 dev $interface && ip route add default via $router
exit 0
"""
CONFIG = """
networks: [{{name: lan, uplink: nic0}}]
guests:
  - name: bench
    cpus: {{count: 1}}
    memory: 256 MiB
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.run=\\"{command}; poweroff -f\\""
    nics: [{{network: lan}}]
"""


def serve(listener):
    """Takes SIZE bytes, answers one, takes one, sends SIZE."""
    connection, _ = listener.accept()
    with connection:
        left = SIZE
        while left:
            left -= len(connection.recv(min(left, 1 << 16)))
        connection.sendall(b"x")
        connection.recv(1)
        connection.sendall(bytes(SIZE))
        connection.recv(1)


def with_server(run):
    """Calls run(port) while somebody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        return run(listener.getsockname()[1])


def per_segment(output):
    marks = {int(mark): (int(instructions), int(vmruns)) for mark, instructions, vmruns in
             re.findall(r"MARK (\d+) instructions=(\d+) vmruns=(\d+)", output)}
    return {name: tuple((end - begin) / SEGMENTS
                        for begin, end in zip(marks[mark], marks[mark + 1]))
            for mark, name in KINDS.items()}


def main():
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        script = directory / "udhcpc"
        script.write_text(SCRIPT, encoding="utf-8")
        script.chmod(0o755)
        initrd = initramfs(directory, SAMPLES, [ROOT / "build/bench/net", script], ["af_packet"])

        def command(port):
            return f"{SET_UP}; /net 10.0.2.2 {port}"

        ours = per_segment(with_server(lambda port: guest(
            directory, CONFIG.format(command=command(port)), SAMPLES, initrd, NIC,
            name="bench-net")))
        without = per_segment(with_server(lambda port: bare(SAMPLES, initrd, command(port), NIC)))
        for kind in KINDS.values():
            instructions, exits = ours[kind]
            record(f"net.{kind}", round(instructions), "instructions",
                   f"per 1448 bytes of TCP, {COUNT}")
            record(f"net.{kind}_bare", round(without[kind][0]), "instructions",
                   f"the same with no hypervisor, {COUNT}")
            record(f"net.{kind}_ratio", round(instructions / without[kind][0], 2), "ratio",
                   "of the two")
            record(f"net.{kind}_exits", round(exits, 3), "exits",
                   f"VMRUNs per 1448 bytes, {COUNT}")


main()
