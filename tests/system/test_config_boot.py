"""A document that is wrong: no guest starts, each fault is shown with its place, and the
operator's console answers."""

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
# What only this machine can tell: alpha alone would be good.
MACHINE = """\
guests:
  - name: alpha
    memory: 64 MiB
    boot: {kernel: "esp:/samples/vmlinuz"}
  - name: beta
    cpus: {pin: [9]}
    memory: 64 GiB
    boot: {kernel: "esp:/samples/nothing"}
"""


def refused(tmp_path, name, document, *faults):
    """Boots it; each of the faults is shown, and the console answers."""
    image = make_image(tmp_path / "config.img", document, LINUX)
    with Machine(image, name=f"config-{name}", limit_s=120, cpus=2, memory_mib=512) as machine:
        begin = machine.mark()
        for fault in faults:
            machine.rewind(begin)
            machine.expect(rf"config: error: bulkhead\.yaml:{fault}", 60)
        machine.expect("config: error: no guest is started: mend the document", 10)
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


def test_a_document_for_another_machine(tmp_path):
    refused(tmp_path, "machine", MACHINE, r"6:17: guest 'beta': .*CPU 9",
            r"8:20: guest 'beta': .*samples/nothing", r"7:13: guest 'beta': .*64 GiB")


def test_an_uplink_that_is_not_there(tmp_path):
    document = "networks: [{name: lan, uplink: nic7}]\nguests: []\n"
    refused(tmp_path, "uplink", document, r"1:32: network 'lan' .*nic7")
