"""The power goes with each write of each change, and what was not flushed is lost, in whole or in
part: afterwards LVM2 finds nothing wrong, and the group is the old or the new one.
"""

import itertools
import re

import pytest

from tests.tools import lvm2

pytestmark = pytest.mark.skipif(bool(lvm2.missing()), reason=str(lvm2.missing()))

# What LVM2 says, and takes for no failure, when some headers name the new text and some the old.
EXPECTED = re.compile(
    r"\s*(WARNING: (Activation disabled"
    r"|ignoring metadata seqno \d+ on \S+ for seqno \d+ on \S+ for VG vg0"
    r"|Inconsistent metadata found for VG vg0)|See vgck --updatemetadata)")

CHANGES = {
    "create": ("create", "vg0/new", "3M"),
    "stripes": ("--stripes", "2", "create", "vg0/new", "2M"),
    "grow": ("resize", "vg0/web", "5M"),
    "shrink": ("--shrink", "resize", "vg0/web", "1M"),
    "remove": ("remove", "vg0/web"),
}


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    """Two disks with three metadata areas, and texts that go over an area's end soon."""
    made = lvm2.Disks(tmp_path_factory.mktemp("lvm"), [16, 16])
    small = ("--metadatasize", "32k", "--dataalignment", "36k")
    made.lvm("pvcreate", *small, "--pvmetadatacopies", "2", made.devices[0])
    made.lvm("pvcreate", *small, made.devices[1])
    made.lvm("vgcreate", "-s", "512k", "vg0", *made.devices)
    made.create("web", "-L", "3M", "vg0")
    made.create("db", "-L", "2M", "-i", "2", "vg0")
    yield made
    made.close()


def write_all(disks, states):
    for image, state in zip(disks.images, states):
        image.write_bytes(state)


def read_all(disks):
    return [image.read_bytes() for image in disks.images]


def judge(disks):
    """The volumes' segments as LVM2 sees them, once it has found nothing to complain about."""
    said = disks.shell("vgck vg0", "lvs --segments --noheadings --separator : -o "
                                   "lv_name,seg_start_pe,seg_size_pe,stripes,seg_pe_ranges vg0")
    lines = [line.strip() for line in said.splitlines()
             if line.strip() and not EXPECTED.match(line)]
    assert all(re.match(r"[a-z0-9]+:\d+:\d+:\d+:", line) for line in lines), said
    return sorted(lines)


@pytest.mark.parametrize("change", CHANGES)
def test_power_cut_at_every_write(disks, change):
    start = read_all(disks)
    old = judge(disks), disks.map_of_tool()
    writes = int(disks.tool("--count", *CHANGES[change]).split()[0])
    new = judge(disks), disks.map_of_tool()
    assert old[0] != new[0] and old[1] != new[1] and writes >= 9
    seen = set()
    for at, lost in itertools.product(range(1, writes + 1), (0, 1, 2, 3)):
        write_all(disks, start)
        disks.tool("--cut", at, "--lost", lost, *CHANGES[change], status=3)
        found = disks.map_of_tool()
        assert found in (old[1], new[1]), f"write {at}, lost {lost}"
        seen.add(found == new[1])
        if lost in (0, 2):  # LVM2 takes longer
            assert judge(disks) == (new if found == new[1] else old)[0], f"write {at}, lost {lost}"
    assert seen == {False, True}
    write_all(disks, start)


@pytest.mark.parametrize("lost", (0, 1, 2, 3, 4))
def test_changes_go_on_after_power_cuts(disks, lost):
    """Cut after cut at each write, without repair between; then both tools change the group."""
    start = read_all(disks)
    for at in range(1, 10):
        disks.tool("--cut", at, "--lost", lost, "create", f"vg0/v{at}", "512K", status=(0, 3))
        judge(disks)
    disks.tool("create", "vg0/ours", "512K")
    disks.agree()
    disks.tool("--cut", 9, "--lost", lost, "remove", "vg0/ours", status=3)
    disks.create("theirs", "-L", "512k", "vg0")
    disks.agree()
    assert "vg0/theirs" in disks.map_of_tool()
    write_all(disks, start)
