"""A document that is wrong: no guest starts, each fault is shown with its place, and the
operator's console answers. One that is right, for another machine: what can start, starts."""

from tests.conftest import LINUX, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

SYNTAX = """\
guests:
  - name: alpha
    memory: 64 MiB
   boot: {kernel: "esp:/samples/vmlinuz"}
"""
WORDS = """\
host: {housekeeping: [0]}
guests:
  - name: alpha
    cpus: {count: 2, pin: [1, 9]}
    memroy: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
    on_crash: sometimes
"""
# Whatever can be absent, each another guest's; web has all that it needs, and a network without
# its NIC. Of the two that are too large together, the first has the memory.
ABSENT = """\
host: {housekeeping: [0, 8]}
networks: [{name: lan, uplink: nic7}]
guests:
  - name: pinned
    cpus: {pin: [9]}
    memory: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
  - name: file
    memory: 64 MiB
    boot: {kernel: "esp:/samples/nothing"}
  - name: volume
    memory: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
    disks: [{source: "lvm:vg0/web"}]
  - name: web
    memory: 128 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0"}
    nics: [{network: lan}]
  - name: huge
    memory: 64 GiB
    boot: {kernel: "esp:/samples/vmlinuz"}
  - name: first
    memory: 400 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0"}
  - name: second
    memory: 402 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",
           cmdline: "console=ttyS0"}
"""


def refused(tmp_path, name, document, *faults):
    """Boots it; each of the faults is shown, and the console answers."""
    image = make_image(tmp_path / "config.img", document, LINUX)
    with Machine(image, name=f"config-{name}", limit_s=120, cpus=2, memory_mib=512) as machine:
        begin = machine.mark()
        for fault in faults:
            machine.rewind(begin)
            machine.expect(rf"config: error: bulkhead\.yaml:{fault}", 60)
        machine.expect("config: error: no guest is started: mend .* `apply esp:/FILE`", 10)
        terminal = Terminal(machine, [])
        assert any(line.startswith("help ") for line in terminal.operator("help"))
        assert any("The guests are: none." in line for line in terminal.operator("show x"))
        assert any("There are no guests" in line for line in terminal.operator("list"))
        assert not machine.count(r"started: \d")


def test_a_document_that_is_no_yaml(tmp_path):
    refused(tmp_path, "syntax", SYNTAX, r"4:\d+: ")


def test_a_document_with_wrong_words(tmp_path):
    refused(tmp_path, "words", WORDS, r"5:5: guest 'alpha': unknown key 'memroy'; did you mean",
            r"7:15: guest 'alpha': on_crash .*restart")


def test_what_can_start_starts(tmp_path):
    image = make_image(tmp_path / "absent.img", ABSENT, LINUX)
    with Machine(image, name="config-absent", limit_s=300, cpus=2, memory_mib=1024) as machine:
        begin = machine.mark()
        for fault in (r"1:22: host.housekeeping names CPU 8, .* run on CPU 0",
                      r"2:32: network 'lan' has the uplink 'nic7'.*guests reach each other only",
                      r"5:17: guest 'pinned': .*CPU 9",
                      r"10:20: guest 'file': .*samples/nothing",
                      r"14:22: guest 'volume': disks\[0\]\.source 'lvm:vg0/web' ",
                      r"21:13: guest 'huge': memory is 64 GiB, .* left after the guests before",
                      r"28:13: guest 'second': memory is 402 MiB, .* left after"):
            machine.rewind(begin)
            machine.expect(rf"config: warning: bulkhead\.yaml:{fault}", 60)
        for name, reason in (("pinned", "cpus.pin names CPU 9"),
                             ("file", "there was no file esp:/samples/nothing .* at its next start"),
                             ("volume", r"disks\[0\].source 'lvm:vg0/web' "),
                             ("huge", "memory is 64 GiB, and .* are free for guests"),
                             ("second", "memory is 402 MiB, and .* are free for guests")):
            machine.rewind(begin)
            machine.expect(rf"{name}: warning: waits: {reason}.* by `start {name}`", 30)
        machine.expect(r"^web\| guest .* ready", 200)
        terminal = Terminal(machine, [])
        listed = terminal.operator("list")
        for name in ("pinned", "file", "volume", "huge", "second"):
            assert any(name in line and "waiting" in line for line in listed), listed
        assert any("web" in line and "running" in line for line in listed), listed
        assert any("without its uplink: it has the uplink 'nic7'" in line
                   for line in terminal.operator("networks"))
        begin = machine.mark()
        terminal.operator("start volume")
        machine.rewind(begin)
        machine.expect("volume: warning: waits: disks", 30)
        terminal.operator("stop volume")
        assert any("volume" in line and "stopped" in line for line in terminal.operator("list"))
        # Who waits for memory has it once that is given back.
        assert any("guest 'first' has 400 MiB; stop one of them" in line
                   for line in terminal.operator("explain second"))
        terminal.operator("stop first now")
        machine.expect(r"second: started: 1 vCPU", 60)
        assert any(line.startswith("huge") and "waiting" in line
                   for line in terminal.operator("list"))
        # Who is deleted is asked first, and ends by itself.
        terminal.keyboard("host")
        machine.send("delete web\n")
        machine.expect("guest 'web' is shut down within 60 s and deleted", 120)
        assert machine.count(r"^web\| .*reboot: Power down$") == 1
        assert not machine.count("web: .*is switched off")
