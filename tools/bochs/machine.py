"""One machine in Bochs: as tools/qemu/machine.py's, with an Intel CPU that has VMX.

Bochs is what tools/bochs/fetch unpacked to build/bochs. It emulates all CPUs in one thread.
"""

import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import tty

from tools.qemu import machine as qemu
from tools.qemu.machine import ROOT, MachineError

BOCHS = ROOT / "build/bochs"
FIRMWARE = "/usr/share/ovmf/OVMF.fd"
VGA_BIOS = "root/usr/share/bochs/VGABIOS-lgpl-latest"
MODEL = "corei7_skylake_x"
CYLINDER_BYTES = 16 * 63 * 512  # Bochs takes a flat disk of whole cylinders only
CONNECT_LIMIT_S = 20
TRIPLE_FAULT = "exception with no resolution"  # Bochs goes on for ever after this

# `ips`, instructions per emulated second, is the TSC's rate too: few are spent in delays. There
# is no display library without a display; `term` asks for nothing when it has no terminal.
CONFIGURATION = """\
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, parallel=0{plugins}
config_interface: textconfig
display_library: term
memory: guest={memory_mib}, host={memory_mib}
romimage: file={firmware}, address=0x0, options=none
vgaromimage: file={bochs}/{vga}
fw_cfg: enabled=1
pci: enabled=1, chipset=i440fx{slots}
vga: extension=none, update_freq=1
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=0
clock: sync=none, time0=utc
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path={disk}, mode=flat
{slave}ata1: enabled=0
{nic}com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: {log}
logprefix: %t%e%d
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""

# The 82540EM behind slirp, Bochs' own router: 10.0.2.2 is the build machine's loopback.
NIC = """\
e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script={script}
"""
SLIRP = """\
# slirp config
hostfwd = {forward}
"""


def missing():
    """Why there is no Bochs, as a sentence; or None."""
    if (BOCHS / "bochs").exists():
        return None
    reason = BOCHS.with_suffix(".missing")
    said = reason.read_text(encoding="utf-8").strip() if reason.exists() else "run `make bochs`"
    return f"no Bochs ({said})"


def network(directory, forward):
    """The parts of the configuration that make a NIC; `forward` is a rule of slirp's hostfwd,
    "tcp:127.0.0.1:8080-10.0.2.15:80", or "" for none. None: no NIC."""
    if forward is None:
        return {"plugins": "", "slots": "", "nic": ""}
    script = pathlib.Path(directory) / "slirp.conf"
    text = SLIRP.format(forward=forward) if forward else SLIRP.splitlines()[0] + "\n"
    script.write_text(text, encoding="utf-8")
    return {"plugins": ", e1000=1", "slots": ", slot1=e1000", "nic": NIC.format(script=script)}


def whole_cylinders(disk):
    """Rounds a disk's size up, and takes away a lock that an earlier machine left."""
    os.truncate(disk, -(-disk.stat().st_size // CYLINDER_BYTES) * CYLINDER_BYTES)
    disk.with_name(disk.name + ".lock").unlink(missing_ok=True)


def second_disk(path):
    """The line for the disk behind the one that is booted: the file `path` itself, or None."""
    if path is None:
        return ""
    whole_cylinders(path)
    return f"ata0-slave: type=disk, path={path}, mode=flat\n"


def spawn(directory, image, log, model=MODEL, cpus=4, memory_mib=1024, ips=10_000_000,
          forward=None, data=None):
    """Starts Bochs on a copy of `image` in `directory`; returns the process and the socket that
    is its serial line. `forward`: see network(). `data`: see second_disk(). Raises MachineError
    when it does not come up."""
    disk = pathlib.Path(directory) / "disk.img"
    shutil.copyfile(image, disk)
    whole_cylinders(disk)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(CONNECT_LIMIT_S)
        configuration = pathlib.Path(directory) / "bochsrc"
        configuration.write_text(CONFIGURATION.format(
            memory_mib=memory_mib, firmware=FIRMWARE, bochs=BOCHS.resolve(), vga=VGA_BIOS,
            model=model, cpus=cpus, ips=ips, disk=disk, port=server.getsockname()[1], log=log,
            slave=second_disk(data), **network(directory, forward),
        ), encoding="utf-8")
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setpriv", "--pdeathsig", "KILL", BOCHS / "bochs", "-q", "-f", configuration],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        try:
            return process, server.accept()[0]
        except TimeoutError as late:
            process.kill()
            process.wait()
            raise MachineError(f"Bochs did not start: {log}") from late


class Machine(qemu.Machine):
    """A running machine; arguments as of the one in QEMU, the options those of spawn(). What
    Bochs itself says is in build/test-logs/NAME.bochs.log."""

    def __init__(self, image, name="bochs", limit_s=600, **options):
        super().__init__(image, name=name, limit_s=limit_s, **options)
        self.bochs_log = self.log_path.with_suffix(".bochs.log")

    def start(self):
        self._launch()
        try:
            self._wait_for_first_line()
        except MachineError:
            self.stop()
            raise
        return self

    def _spawn(self):
        self.bochs_log.unlink(missing_ok=True)
        self._note(f"Bochs, {self.options}")
        self._process, line = spawn(self._directory.name, self.image, self.bochs_log,
                                    **self.options)
        self._input = self._output = line.makefile("rwb", buffering=0)
        line.close()
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _watch(self, process):
        """Ends a machine whose CPU was shut down by a triple fault."""
        while process.poll() is None:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                if self._shut_down():
                    self._note(f"a CPU was shut down: {self.bochs_log}")
                    process.kill()

    def _where_cpus_are(self):
        return []  # Bochs can't be asked while it runs

    def _shut_down(self):
        return (self.bochs_log.exists() and
                TRIPLE_FAULT in self.bochs_log.read_text(encoding="utf-8", errors="replace"))

    @staticmethod
    def _read_some(output):
        try:
            return output.read(65536)
        except OSError:
            return b""


def relay(line):
    """Copies between this terminal and `line` until that ends or Ctrl-A x is typed."""
    prefix = False
    sources = [line, sys.stdin]
    while True:
        for ready in select.select(sources, [], [])[0]:
            data = line.recv(65536) if ready is line else os.read(sys.stdin.fileno(), 1024)
            if ready is line and not data:
                return
            if ready is line:
                os.write(sys.stdout.fileno(), data)
                continue
            if not data:
                sources.remove(sys.stdin)
            if prefix and data[:1] == b"x":
                return
            prefix = data == b"\x01"
            if not prefix:
                line.sendall(data)


def terminal(image, **options):
    """Runs a machine with this terminal as its serial line, until it ends or Ctrl-A x."""
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as directory:
        process, line = spawn(directory, image, ROOT / "build/bochs.log", **options)
        try:
            if before:
                tty.setraw(sys.stdin)
            relay(line)
        except ConnectionError:
            pass
        finally:
            if before:
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            process.kill()
            process.wait()
            print()  # the last line may be a prompt
    return 0
