"""The third guest of `make run`: a Debian that tools/mkguest made, on a logical volume of an NVMe
disk, with a network that ends at this machine. It comes up by itself, with an address; what it
fetches arrives whole; what it writes is there after a restart."""

import hashlib
import http.server
import os
import re
import socket
import subprocess
import threading

import pytest

from tests.conftest import ROOT
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

SAMPLES = ROOT / "build/samples"
pytestmark = pytest.mark.long
BOOT_S = 300
FILE_BYTES = 4 << 20
LOGGED_IN = r"^debian\| debian login: root \(automatic login\)"


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server on this machine's loopback, with one file of random bytes."""

    daemon_threads = True

    def __init__(self):
        self.content = content = os.urandom(FILE_BYTES)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def wait_for_shell(terminal):
    """Until root is logged in, with a shell that prints what it is told and no more."""
    terminal.machine.expect(LOGGED_IN, BOOT_S)
    terminal.keyboard("debian")
    terminal.machine.send("bind 'set enable-bracketed-paste off'\n")


@pytest.fixture(scope="module", name="machine")
def fixture_machine():
    disk = ["-drive", f"if=none,id=data,format=raw,file={SAMPLES}/debian.disk,snapshot=on",
            "-device", "nvme,drive=data,serial=debian",
            "-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0"]
    with Machine(ROOT / "build/debian.img", name="debian", limit_s=900, extra=disk) as machine:
        terminal = Terminal(machine, ["alpha", "beta", "debian"])
        wait_for_shell(terminal)
        yield terminal


def test_it_has_its_disk_and_an_address(machine):
    said = machine.shell("debian", "findmnt -no SOURCE,FSTYPE /; ip -br -4 addr; "
                         "systemctl is-system-running --wait", 120)
    assert re.search(r"^/dev/vda +ext4", said, re.M), said
    assert re.search(r"^en\S+ +UP +10\.0\.2\.15/24", said, re.M), said
    assert re.search(r"^running", said, re.M), machine.shell("debian", "systemctl --failed")
    assert any(re.search(r"lvm:vg0/debian.*debian", line)
               for line in machine.operator("disks")), "the operator sees whose the volume is"


def test_it_fetches_over_http(machine):
    with Server() as server:
        said = machine.shell("debian", f"wget -qO- http://10.0.2.2:{server.server_port}/file "
                             "| tee file | sha256sum; sync", 120)
        server.shutdown()
    assert hashlib.sha256(server.content).hexdigest() in said


def test_what_it_wrote_is_there_after_a_restart(machine):
    before = machine.shell("debian", "sha256sum file")
    begin = machine.machine.mark()
    machine.operator("reset debian")
    machine.machine.rewind(begin)
    machine.machine.expect(r"\] debian: started", 60)
    wait_for_shell(machine)
    after = machine.shell("debian", "sha256sum file")
    digest = re.search("^[0-9a-f]{64}", before, re.M)
    assert digest and digest[0] in after


def archive():
    """The host of the Debian archive that this machine's apt uses, as the guest's does too."""
    uri = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)",
                          "Created-By: Packages"], check=False, text=True,
                         capture_output=True).stdout
    match = re.search(r"^http://([^/:]+)/debian/?$", uri, re.M)
    return match[1] if match else None


def test_apt_get_update(machine):
    host = archive()
    try:
        socket.create_connection((host, 80), 5).close()
    except (OSError, TypeError) as why:
        pytest.skip(f"Debian's archive cannot be reached from here: {why}")
    said = machine.shell("debian", "apt-get -q update; echo status=$?", 300)
    assert "status=0" in said and re.search("^(Get|Hit):", said, re.M), said
