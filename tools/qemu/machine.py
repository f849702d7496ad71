"""One machine in QEMU: start it, read its serial line, type on it, end it.

The tests, `make run` and the benchmarks all start machines here. This knows how QEMU is
called and nothing of what Bulkhead prints, save that it names itself on its first line.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build/test-logs"
OVMF = pathlib.Path("/usr/share/OVMF")
QEMU = "qemu-system-x86_64"

# Debian 12's QEMU emulates SVM with nested paging; `check=off` silences the features of this
# CPU model that it does not emulate.
CPU = "EPYC,+svm,+npt,check=off"
FIRST_LINE = r"(?i)bulkhead"
FIRMWARE_LIMIT_S = 90

# Set by `make coverage`: the plugin of tools/qemu/cover.c with its arguments.
COVER = ["-plugin", os.environ["BULKHEAD_COVER"]] if "BULKHEAD_COVER" in os.environ else []

# What a person at the terminal is told; to be formatted with the emulator's name.
KEYS = """\
  Ctrl-]  then  n  p     the next guest has the keyboard, or the one before
                1..9     that guest has it
                h        the host's own console has it: try `help` there
                o        only the one with the keyboard is shown, as it is; again: all
                l        the last lines of the log
                q q      shut down and power off; q meanwhile: wait longer, or at once
                ?        these keys
                Ctrl-]   types Ctrl-]
  Ctrl-A  then  x        end {} at once
"""


class MachineError(Exception):
    """The machine ended, or did not say in time what was expected of it."""


def command(image, variables, cpus=4, memory_mib=2048, cpu=CPU, accel="tcg,thread=multi",
            serial="stdio", snapshot=True, resets=False, extra=()):
    """QEMU's command line. `variables` is this machine's own copy of the firmware's. A reset ends
    QEMU, unless the machine `resets`."""
    return [
        QEMU, "-machine", "q35", "-accel", accel, "-cpu", cpu,
        "-smp", str(cpus), "-m", str(memory_mib),
        "-nodefaults", "-display", "none", "-serial", serial,
        *([] if resets else ["-no-reboot"]),
        "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
        "-drive", f"if=pflash,format=raw,file={variables}",
        "-drive", f"if=none,id=esp,format=raw,file={image},snapshot={'on' if snapshot else 'off'}",
        "-device", "nvme,drive=esp,serial=esp,bootindex=0",
        *COVER, *extra,
    ]


def fresh_variables(directory):
    """Copies the firmware's empty variable store into `directory`."""
    return shutil.copy(OVMF / "OVMF_VARS_4M.fd", pathlib.Path(directory) / "vars.fd")


class Machine:
    """A running machine. Use it in a `with` statement; it is ended by its own process id.

    name: of the log, build/test-logs/NAME.log. limit_s: seconds after which it is ended
    whatever happens. The other arguments are those of command().
    """

    def __init__(self, image, name="machine", limit_s=300, **options):
        self.image = image
        self.limit_s = limit_s
        self.options = options
        self.output = ""  # all that the serial line has said
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log_path = LOGS / f"{name}.log"
        self._seen = 0  # expect() looks behind this
        self._process = self._watchdog = self._reader = None
        self._input = self._output = None
        self._changed = threading.Condition()
        self._directory = tempfile.TemporaryDirectory(prefix="bulkhead-")
        self._log = open(self.log_path, "w", encoding="utf-8", errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts it and waits for its first line; returns self.

        QEMU 7.2's multi-threaded TCG hangs in firmware once in many runs: a machine that has
        said nothing of its own in FIRMWARE_LIMIT_S is started once more, and the log says so.
        """
        self._launch()
        try:
            self._wait_for_first_line()
        except MachineError:
            self._note(f"no first line in {FIRMWARE_LIMIT_S} s: starting once more")
            self._end()
            self._launch()
            try:
                self._wait_for_first_line()
            except MachineError:
                self.stop()
                raise
        return self

    def _wait_for_first_line(self):
        self.expect(FIRST_LINE, FIRMWARE_LIMIT_S)
        self._seen = 0

    def _launch(self):
        self._spawn()
        self._reader = threading.Thread(target=self._read, args=(self._output,), daemon=True)
        self._reader.start()
        self._watchdog = threading.Timer(self.limit_s, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _spawn(self):
        """Starts the emulator; sets _process, and _input and _output, its serial line."""
        variables = fresh_variables(self._directory.name)
        words = command(self.image, variables, **self.options)
        words += ["-qmp", f"unix:{self._qmp_path()},server=on,wait=off"]
        self._note(" ".join(words))
        # A session of its own keeps ^C from it; should we be killed, it is killed too.
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, start_new_session=True)
        self._input, self._output = self._process.stdin, self._process.stdout

    def _read(self, output):
        while chunk := self._read_some(output):
            text = chunk.decode("utf-8", errors="replace").replace("\r", "")
            self._log.write(text)
            self._log.flush()
            with self._changed:
                self.output += text
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @staticmethod
    def _read_some(output):
        return os.read(output.fileno(), 65536)

    def _note(self, text):
        self._log.write(f"[runner] {text}\n")
        self._log.flush()

    def _ended(self):
        return self._reader is None or not self._reader.is_alive()

    def _how_it_ended(self):
        try:
            return f"ended with status {self._process.wait(5)}"
        except subprocess.TimeoutExpired:
            return "closed its serial line"

    def expect(self, pattern, timeout_s=60):
        """Waits until `pattern` (a regular expression, ^ and $ match at lines) is said behind
        the last match of expect(); returns the match. Raises MachineError."""
        regex = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                match = regex.search(self.output, self._seen)
                if match:
                    self._seen = match.end()
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or self._ended():
                    break
                self._changed.wait(min(left, 1))
        why = f"the machine {self._how_it_ended()}" if self._ended() else f"waited {timeout_s} s"
        raise MachineError(f"{why}, but it did not say {pattern!r} ({self.log_path}):\n"
                           f"{self._last_words(pattern)}")

    def _last_words(self, pattern):
        """What was said since the last match of expect(); where `pattern` is of one guest, what
        that one said last, which its neighbours may have talked over; and where the CPUs are."""
        words = self.output[self._seen:].splitlines()[-25:]
        source = re.match(r"\^([a-z][a-z0-9-]*)\\\|", pattern)
        if source:
            own = [line for line in self.output.splitlines()
                   if line.startswith(f"{source[1]}|")]
            words += [f"the last of {source[1]}:", *own[-15:]]
        return "\n".join(words + self._where_cpus_are())

    def _where_cpus_are(self):
        if self._ended():
            return []
        try:
            registers = self.monitor("info registers -a")
        except (MachineError, OSError, ValueError) as why:
            return [f"QEMU does not say where its CPUs are: {why}"]
        return re.findall(r"^CPU#\d+|^RIP=.*", registers, re.MULTILINE)

    def mark(self):
        """Where expect() looks from, for rewind()."""
        return self._seen

    def rewind(self, mark):
        """Lets expect() look once more behind `mark`, for what comes in any order."""
        self._seen = mark

    def count(self, pattern):
        """How often `pattern` was said so far."""
        with self._changed:
            return len(re.findall(pattern, self.output, re.MULTILINE))

    def send(self, text):
        """Types `text` on the serial line."""
        self._input.write(text.encode())
        self._input.flush()

    def _qmp_path(self):
        return pathlib.Path(self._directory.name) / "qmp"

    def qmp(self, name, **arguments):
        """Gives QEMU itself a command, and returns its answer. Raises MachineError where QEMU
        refuses it."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(30)
            line.connect(str(self._qmp_path()))
            stream = line.makefile("rw", encoding="utf-8")
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": name, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = {}
                while not answer.keys() & {"return", "error"}:  # greeting and events pass by
                    answer = json.loads(stream.readline())
        if "error" in answer:
            raise MachineError(f"QEMU refuses {name}: {answer['error']['desc']}")
        return answer["return"]

    def monitor(self, line):
        """The same for a command of the monitor for people; returns what it prints."""
        return self.qmp("human-monitor-command", **{"command-line": line})

    def wait(self, timeout_s=60):
        """Waits until the machine has powered off; raises MachineError if it does not."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            raise MachineError(f"still running after {timeout_s} s ({self.log_path})") from late
        self._reader.join(5)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def _end(self):
        self._watchdog.cancel()
        if self.is_running():
            self._process.kill()
        self._process.wait()
        self._reader.join(5)
        self._input.close()
        self._output.close()

    def stop(self):
        """Ends the machine, if it still runs, and closes its log."""
        if self._process is not None:
            self._end()
            self._process = None
        self._log.close()
        self._directory.cleanup()


def terminal(image, **options):
    """Runs a machine with this terminal as its serial line; returns QEMU's exit status."""
    build = ROOT / "build"
    words = command(image, fresh_variables(build), serial="mon:stdio", snapshot=False,
                    resets=True, **options)
    # ^C belongs to the guest that has the keyboard: QEMU makes the terminal raw, and this
    # process must not end before it.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.call(words)
    finally:
        print()  # the last line may be a prompt
        signal.signal(signal.SIGINT, previous)
