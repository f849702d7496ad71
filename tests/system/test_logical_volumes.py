"""A machine whose NVMe disks hold a volume group of LVM2's: a guest has a volume of it, the
operator makes, resizes and removes others, and LVM2 agrees with all of it afterwards.
"""

import hashlib
import re
import shutil

import pytest

from tests.conftest import LINUX, make_image
from tests.system.terminal import Terminal
from tests.tools import lvm2
from tools.qemu.machine import Machine

pytestmark = pytest.mark.skipif(bool(lvm2.missing()), reason=str(lvm2.missing()))

BOOT_S = 240
MIB = 1 << 20
READY = r"^web\| .*guest web ready: .*$"  # perhaps behind what its shell showed before
DOCUMENT = """
guests:
  - name: web
    cpus: {count: 1}
    memory: 256 MiB
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=web"
    disks:
      - {source: "lvm:vg0/web"}
      - {source: "lvm:vg0/fast"}
      - {source: "lvm:vg0/static", read_only: true}
      - {source: "disk:whole", physical_volume: true}
  - name: greedy
    cpus: {count: 1}
    memory: 160 MiB
    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz"}
    disks:
      - {source: "disk:stray"}
"""


@pytest.fixture(scope="module", name="disks")
def fixture_disks(tmp_path_factory):
    """A partition of a disk with a GPT, and a whole disk."""
    made = lvm2.Disks(tmp_path_factory.mktemp("lvm"), [96, 96], partition_mib=90)
    made.lvm("pvcreate", "--pvmetadatacopies", "2", made.devices[0])
    made.lvm("pvcreate", made.devices[1])
    made.lvm("vgcreate", "-s", "1m", "vg0", *made.devices)
    made.create("web", "-L", "8M", "vg0")
    made.create("static", "-L", "4M", "-pr", "vg0")
    made.create("fast", "-L", "16M", "-i", "2", "-I", "16k", "vg0")
    made.create("old", "-L", "20M", "vg0")
    made.lvm("lvextend", "-L", "20M", "vg0/web")  # in two pieces
    yield made
    made.close()


@pytest.fixture(scope="module", name="namesake")
def fixture_namesake(tmp_path_factory):
    """A disk that the guest has whole, and where it has a group of its own, of the same name."""
    made = lvm2.Disks(tmp_path_factory.mktemp("namesake"), [32])
    made.lvm("pvcreate", made.devices[0])
    made.lvm("vgcreate", "vg0", made.devices[0])
    made.create("inside", "-L", "8M", "vg0")
    yield made.images[0]
    made.close()


@pytest.fixture(scope="module", name="stray")
def fixture_stray(tmp_path_factory):
    """A disk of a group whose only metadata area has a damaged header."""
    made = lvm2.Disks(tmp_path_factory.mktemp("stray"), [32])
    made.lvm("pvcreate", made.devices[0])
    made.lvm("vgcreate", "vg1", made.devices[0])
    made.close()
    with open(made.images[0], "r+b") as image:
        image.seek(4096)
        image.write(b"????")
    return made.images[0]


@pytest.fixture(scope="module", name="machine")
def fixture_machine(disks, namesake, stray):
    extra = []
    spare = stray.with_name("spare.img")  # the same, that no guest is to have
    shutil.copyfile(stray, spare)
    for serial, image in zip(("lvm0", "lvm1", "whole", "stray", "spare"),
                             (*disks.images, namesake, stray, spare)):
        extra += ["-drive", f"if=none,id={serial},format=raw,file={image}",
                  "-device", f"nvme,drive={serial},serial={serial}"]
    image = make_image(disks.folder / "esp.img", DOCUMENT, LINUX)
    with Machine(image, name="lvm", limit_s=600, extra=extra) as machine:
        machine.expect(READY, BOOT_S)
        yield Terminal(machine, ["web"])


def size_in_guest(machine, disk):
    said = machine.shell("web", f"cat /sys/block/{disk}/size")
    return int(re.search(r"^(\d+)$", said, re.M).group(1)) * 512


def tell(machine, command):
    """What the operator's console answers in its last line."""
    return [line for line in machine.operator(command) if line][-1]


def test_the_guest_has_its_volumes(machine):
    assert size_in_guest(machine, "vda") == 20 * MIB
    assert size_in_guest(machine, "vdb") == 16 * MIB
    assert re.search("^0 0 1 0$", machine.shell("web", "echo $(cat /sys/block/vd?/ro)"), re.M)


def test_what_the_guest_writes_is_where_lvm2_looks_for_it(machine, disks):
    """All of a volume in two pieces, and of one with stripes, in requests that cross them."""
    said = machine.shell("web", "for d in vda vdb; do dd if=/dev/urandom of=/dev/$d bs=300k "
                         "conv=fsync 2>/dev/null; md5sum </dev/$d; done", 120)
    sums = re.findall(r"^([0-9a-f]{32})", said, re.M)
    assert len(sums) == 2
    for name, expected in zip(("web", "fast"), sums):
        assert hashlib.md5(disks.read(f"vg0/{name}")).hexdigest() == expected


def test_the_operator_sees_groups_and_volumes(machine):
    groups = machine.operator("groups")
    assert any(re.match(r"vg0 +\d+ MiB on 2 disks, \d+ MiB free, 4 volumes", line)
               for line in groups), groups
    listed = "\n".join(machine.operator("disks"))
    assert re.search(r"lvm:vg0/web .*web", listed), listed
    assert re.search(r"lvm:vg0/old ", listed), listed
    assert "inside" not in listed, "that group is the guest's own"


DAMAGED = "has a metadata area whose header is damaged: its checksum is wrong"


def test_a_physical_volume_is_no_plain_disk(machine):
    """It is told, whatever is wrong with it, and a guest has it whole only by a word."""
    qemu = machine.machine
    qemu.rewind(0)
    qemu.expect(rf"lvm: warning: nvme5 {DAMAGED}", 10)
    qemu.rewind(0)
    qemu.expect(r"greedy: .*disks\[0\]\.source 'disk:stray' is a physical volume of LVM2's, and "
                rf"{DAMAGED}; if the guest is to have it whole, write 'physical_volume: true'", 10)
    assert f"  nvme5 {DAMAGED}." in machine.operator("groups")
    listed = "\n".join(machine.operator("disks"))
    assert re.search(rf"disk:stray .*\n +It is a physical volume of LVM2's, and {DAMAGED}\.",
                     listed), listed
    assert re.search(r"disk:whole .*has: web\n +It is a physical volume of LVM2's, of the group "
                     r"vg0\.", listed), listed
    assert "names no volume group; this machine has vg0; nvme5 has" in tell(
        machine, "lvcreate vg1/x 1 MiB")


def test_volumes_in_use_stay_as_they_are(machine):
    for command in ("lvresize vg0/web 30 MiB", "lvremove vg0/web destroy",
                    "lvresize vg0/fast 8MiB shrink", "lvremove vg0/static destroy"):
        assert any("is in use by 'web'" in line for line in machine.operator(command)), command


def test_what_loses_data_takes_a_word(machine):
    assert "type: lvremove vg0/old destroy" in "\n".join(machine.operator("lvremove vg0/old"))
    said = "\n".join(machine.operator("lvresize vg0/old 10 MiB"))
    assert "all behind the first 10 MiB would be lost" in said


def test_mistakes_are_answered(machine):
    for command, answer in (
            ("lvcreate", "Say which and how large"),
            ("lvcreate vg0/x 10", "Say which and how large"),
            ("lvcreate vg0/x 10 GiB", "vg0/x finds no room in vg0 for 10 GiB"),
            ("lvcreate vg1/x 10 MiB", "vg1/x names no volume group; this machine has vg0; nvme5 "),
            ("lvcreate vg1/x 10 MiB", "not looked at, as guests have them: nvme3, nvme4"),
            ("lvcreate vg0/web 10 MiB", "vg0/web exists already"),
            ("lvresize vg0/none 10 MiB", "vg0/none names no volume"),
            ("lvremove vg0/old yes", "Say which"),
    ):
        assert answer in " ".join(machine.operator(command)), command


def test_the_operator_changes_volumes(machine, disks):
    assert tell(machine, "lvcreate vg0/new 9 MiB 2") == "vg0/new is new, with 10 MiB."
    assert tell(machine, "lvcreate vg0/plain 5MiB") == "vg0/plain is new, with 5 MiB."
    assert tell(machine, "lvresize vg0/new 20 MiB") == "vg0/new has now 20 MiB."
    assert tell(machine, "lvresize vg0/old 10 MiB shrink") == "vg0/old has now 10 MiB."
    assert tell(machine, "lvremove vg0/plain destroy") == "vg0/plain is removed."
    disks.lvm("vgck", "vg0")
    volumes = disks.map_of_lvm2()
    assert set(volumes) == {f"vg0/{name}" for name in ("web", "static", "fast", "old", "new")}
    assert sum(segment[1] for segment in volumes["vg0/old"]) == 10
    assert sum(segment[1] for segment in volumes["vg0/new"]) == 20
    assert {segment[2] for segment in volumes["vg0/new"]} == {2}


def test_a_volume_grows_while_its_guest_is_off(machine):
    begin = machine.machine.mark()
    machine.operator("stop web now")
    machine.wait_for_state("web", "stopped")
    named = r"disks\[0\] of guest 'web' \(bulkhead.yaml:\d+:\d+\)"
    for command, word in (("lvremove vg0/web destroy", "lvremove vg0/web destroy anyway"),
                          ("lvresize vg0/web 8 MiB shrink", "lvresize vg0/web 8 MiB shrink anyway")):
        assert re.search(rf"{named}.* type: {word}$", tell(machine, command)), command
    assert re.fullmatch(rf"vg0/web has now 24 MiB. It is {named}.",
                        tell(machine, "lvresize vg0/web 24 MiB"))
    machine.machine.rewind(begin)
    machine.operator("start web")
    machine.machine.expect(READY, BOOT_S)
    assert size_in_guest(machine, "vda") == 24 * MIB


def test_lvm2_goes_on_with_it(machine, disks):
    """The last: the machine is off, and LVM2 changes what Bulkhead left."""
    machine.machine.stop()
    disks.lvm("vgck", "vg0")
    disks.lvm("lvextend", "-L", "30M", "vg0/new")
    disks.lvm("lvremove", "-f", "vg0/web")
    disks.create("again", "-L", "12M", "vg0")
    disks.lvm("vgck", "vg0")
    for device in disks.devices:
        assert "Write from lvcreate" in disks.lvm("pvck", "--dump", "metadata", device)
