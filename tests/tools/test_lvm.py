"""Volume groups that LVM2's own tools and Bulkhead's code change in turn: each must find what the
other left, whole and in the same places. Power cuts are test_lvm_power.py's.
"""

import random
import re
import shutil

import pytest

from tests.tools import lvm2

pytestmark = pytest.mark.skipif(bool(lvm2.missing()), reason=str(lvm2.missing()))

MIB = 1 << 20
SMALL_AREA = ("--metadatasize", "32k", "--dataalignment", "36k")  # the smallest there is


@pytest.fixture
def disks(tmp_path):
    """A function: disks([MiB...]) makes disks of these sizes."""
    made = []

    def make(sizes):
        made.append(lvm2.Disks(tmp_path, sizes))
        return made[-1]

    yield make
    for one in made:
        one.close()


def group_of_three(disks):
    """One PV with two metadata areas, one with an ignored one, one with none."""
    d = disks([32, 32, 32])
    d.lvm("pvcreate", *SMALL_AREA, "--pvmetadatacopies", "2", d.devices[0])
    d.lvm("pvcreate", "--metadataignore", "y", d.devices[1])
    d.lvm("pvcreate", "--pvmetadatacopies", "0", d.devices[2])
    d.lvm("vgcreate", "-s", "256k", "vg0", *d.devices)
    return d


def test_reads_what_lvm2_made(disks):
    d = group_of_three(disks)
    d.create("web", "-L", "4M", "vg0")
    d.create("fast", "-L", "6M", "-i", "3", "-I", "16k", "vg0")
    d.create("two", "-L", "3M", "-i", "2", "vg0", d.devices[2], d.devices[0])
    d.lvm("lvextend", "-L", "12M", "vg0/fast")
    d.lvm("lvextend", "-L", "40M", "vg0/web")  # over several disks
    d.lvm("lvremove", "-f", "vg0/two")
    d.create("late", "-L", "3500k", "vg0")
    d.agree()
    assert len(d.map_of_tool()["vg0/web"]) > 1
    for image in d.images:
        with open(image, "r+b") as file:
            file.seek(MIB * 3 // 2)
            file.write(random.Random(image.name).randbytes(28 * MIB))
    for name in ("vg0/web", "vg0/fast", "vg0/late"):
        assert d.tool_bytes("read", name) == d.read(name)


def test_what_it_makes_is_what_lvm2_would_have_made(disks):
    """The same texts, but for IDs, times, and who wrote them."""
    d = disks([32, 32])
    d.lvm("pvcreate", *d.devices)
    d.lvm("vgcreate", "vg0", *d.devices)

    def text():
        dumped = d.lvm("pvck", "--dump", "metadata", d.devices[0])
        body = dumped[dumped.index("\nlogical_volumes"):dumped.index("\n# Generated")]
        return [line for line in body.splitlines()
                if not line.startswith(("id = ", "creation_time", "creation_host"))]

    d.tool("create", "vg0/a", "8M")
    d.tool("--stripes", 2, "create", "vg0/b", "8M")
    ours = text()
    for name in ("a", "b"):
        d.lvm("lvremove", "-f", f"vg0/{name}")
    d.create("a", "-L", "8M", "vg0")
    d.create("b", "-L", "8M", "-i", "2", "vg0")
    assert ours == text()


def test_many_rounds_by_both(disks):
    """A small metadata area, so that its text goes round it many times."""
    d = group_of_three(disks)
    rng = random.Random(4)
    names = []
    for number in range(24):
        by_tool = number % 2 == 0
        what = rng.choice(("create", "create", "grow", "shrink", "remove")) if names else "create"
        if len(names) > 12:
            what = "remove"
        size, stripes = rng.randrange(256, 3000), rng.choice((1, 1, 2, 3))
        name = f"v{number}" if what == "create" else rng.choice(names)
        path = f"vg0/{name}"
        if what == "create":
            names.append(name)
            if by_tool:
                d.tool("--stripes", stripes, "create", path, f"{size}K")
            else:
                d.create(name, "-L", f"{size}k", "-i", stripes, "vg0")
        elif what == "remove":
            names.remove(name)
            d.tool("remove", path) if by_tool else d.lvm("lvremove", "-f", path)
        else:
            extents = sum(segment[1] for segment in d.map_of_tool()[path])
            new = (extents + 7 if what == "grow" else max(1, extents // 2)) * 256
            if by_tool:
                done = d.tool("--shrink", "resize", path, f"{new}K", status=(0, 1))
                assert not done or "has that size already" in done
            else:
                d.lvm("lvresize", "-f", "-L", f"{new}k", path, check=False)
        d.agree()
    assert d.groups()["vg0"][0] >= 20
    assert set(d.map_of_lvm2()) == {f"vg0/{name}" for name in names}


def test_text_wraps_around(disks):
    """Texts of about 11 KiB in an area of 32 KiB: every third goes over its end."""
    d = disks([32])
    d.lvm("pvcreate", *SMALL_AREA, d.devices[0])
    d.lvm("vgcreate", "-s", "64k", "vg0", d.devices[0])
    wraps = 0
    for number in range(40):
        d.tool("create", f"vg0/v{number}", "64K")
    for number in range(7):
        d.tool("resize", f"vg0/v{number}", "128K")
        d.agree()
        d.lvm("lvresize", "-L", "192k", f"vg0/v{number}")
        d.agree()
        headers = d.lvm("pvck", "--dump", "headers", d.devices[0])
        size, offset, length = (
            int(re.search(rf"mda_header_1.{field} (\d+)", headers).group(1))
            for field in ("size", r"raw_locn\[0\].offset", r"raw_locn\[0\].size"))
        wraps += offset + length > size
    assert wraps >= 2


def test_text_that_is_too_long_is_refused(disks):
    d = disks([32])
    d.lvm("pvcreate", *SMALL_AREA, d.devices[0])
    d.lvm("vgcreate", "-s", "64k", "vg0", d.devices[0])
    made = 0
    while not (said := d.tool("create", f"vg0/v{made}", "64K", status=(0, 1))):
        made += 1
    assert "bytes of metadata, more than" in said and made > 20
    d.agree()
    d.tool("remove", "vg0/v3")
    d.agree()


def test_metadata_of_disks_with_large_blocks(disks):
    d = disks([32])
    d.lvm("pvcreate", d.devices[0])
    d.lvm("vgcreate", "vg0", d.devices[0])
    for number in range(4):
        d.tool("--block", 4096, "create", f"vg0/v{number}", "4M")
        d.agree()


def test_new_volume_has_no_old_signatures(disks):
    d = disks([32])
    d.lvm("pvcreate", d.devices[0])
    d.lvm("vgcreate", "vg0", d.devices[0])
    with open(d.images[0], "r+b") as file:
        file.seek(MIB)
        file.write(b"\xaa" * 30 * MIB)
    d.tool("create", "vg0/web", "8M")
    data = d.tool_bytes("read", "vg0/web")
    assert data == bytes(MIB) + b"\xaa" * 6 * MIB + bytes(MIB)
    with open(d.images[0], "rb") as file:  # and nothing else was touched
        file.seek(9 * MIB)
        assert file.read(22 * MIB) == b"\xaa" * 22 * MIB


HIDDEN = """
{name} {{
id = "{id}"
status = [{status}]
flags = []
segment_count = 1
segment1 {{
start_extent = 0
extent_count = 4
type = "{type}"
{fields}
}}
}}
"""


def volume(number, name, kind, fields, visible=True):
    status = '"READ", "WRITE"' + (', "VISIBLE"' if visible else "")
    return HIDDEN.format(name=name, id=f"aaaaaa-0000-0000-0000-0000-0000-aaaa{number:02}",
                         status=status, type=kind, fields=fields)


def linear(number, name, extent, visible=False):
    return volume(number, name, "striped",
                  f'stripe_count = 1\nstripes = [ "pv0", {extent} ]', visible)


FOREIGN = "".join((
    linear(1, "origin", 0, True), linear(2, "snap", 4, True),
    volume(3, "snapshot0", "snapshot",
           'chunk_size = 8\norigin = "origin"\ncow_store = "snap"', False),
    volume(4, "pool", "thin-pool",
           'metadata = "pool_tmeta"\npool = "pool_tdata"\ntransaction_id = 1\n'
           'chunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 1'),
    linear(5, "pool_tmeta", 8), linear(6, "pool_tdata", 12),
    volume(7, "thin1", "thin", 'thin_pool = "pool"\ntransaction_id = 0\ndevice_id = 1'),
    volume(8, "twin", "raid1",
           'device_count = 2\nregion_size = 4096\nraids = [ "twin_rmeta_0", "twin_rimage_0", '
           '"twin_rmeta_1", "twin_rimage_1" ]'),
    linear(9, "twin_rmeta_0", 16).replace("extent_count = 4", "extent_count = 1"),
    linear(10, "twin_rmeta_1", 17).replace("extent_count = 4", "extent_count = 1"),
    linear(11, "twin_rimage_0", 18), linear(12, "twin_rimage_1", 22),
    volume(13, "nothing", "zero", ""),
    linear(14, "plain", 26, True).replace("segment_count", 'tags = ["blue", "web"]\nsegment_count'),
))

REFUSALS = {
    "origin": "has snapshots",
    "snap": "is a snapshot",
    "pool": "is a thin-pool volume",
    "pool_tdata": "is a part of vg0/pool",
    "thin1": "is a thin volume",
    "twin": "is a raid1 volume",
    "twin_rimage_1": "is a part of vg0/twin",
    "nothing": "is a zero volume",
}


def test_other_kinds_are_named_refused_and_kept(disks):
    d = disks([64])
    d.lvm("pvcreate", d.devices[0])
    d.lvm("vgcreate", "-s", "1m", "vg0", d.devices[0])
    backup = d.folder / "vg0.vg"
    d.lvm("vgcfgbackup", "-f", backup, "vg0")
    text = backup.read_text(encoding="utf-8").rstrip()
    assert text.endswith("}")
    backup.write_text(f"{text[:-1]}\nlogical_volumes {{\n{FOREIGN}}}\n}}\n", encoding="utf-8")
    d.lvm("vgcfgrestore", "--force", "-f", backup, "vg0")
    assert f"free {d.groups()['vg0'][1]}\n" in d.tool("list")  # hidden ones count

    def volumes():
        dumped = d.lvm("pvck", "--dump", "metadata", d.devices[0])
        return dumped[dumped.index("logical_volumes"):dumped.index("\n# Generated")]

    before = volumes()
    for name, why in REFUSALS.items():
        for words in (("read", f"vg0/{name}"), ("remove", f"vg0/{name}"),
                      ("resize", f"vg0/{name}", "8M")):
            assert f"vg0/{name} {why}" in d.tool(*words, status=1)
    assert d.tool("read", "vg0/plain")
    d.tool("create", "vg0/new", "20M")
    taken = d.map_of_tool()["vg0/new"][0][4][0].rsplit(":", 1)[1].split("-")
    assert int(taken[0]) >= 30
    d.lvm("vgck", "vg0")
    d.tool("remove", "vg0/new")
    assert volumes() == before


@pytest.mark.parametrize("how, why", [
    (lambda d: d.lvm("vgexport", "vg0"), "was exported"),
    (lambda d: d.lvm("vgchange", "-y", "--systemid", "other", "--config",
                     'local/extra_system_ids=["other"]', "vg0"), 'belongs to the system "other"'),
    (lambda d: d.images.pop(), "lacks the physical volume pv1"),
    (lambda d: d.images.append(shutil.copy(d.images[0], d.folder / "copy.img")),
     "has the physical volume pv0 twice"),
])
def test_groups_that_are_not_ours_are_left_alone(disks, how, why):
    d = disks([16, 16])
    d.lvm("pvcreate", *d.devices)
    d.lvm("vgcreate", "-s", "1m", "vg0", *d.devices)
    d.create("web", "-L", "4M", "vg0")
    how(d)
    states = [image.read_bytes() for image in map(d.folder.joinpath, d.images)]
    for words in (("read", "vg0/web"), ("create", "vg0/x", "1M"), ("remove", "vg0/web")):
        assert why in d.tool(*words, status=1)
    assert states == [image.read_bytes() for image in map(d.folder.joinpath, d.images)]


def test_a_disk_that_missed_changes_is_brought_up_to_date(disks):
    """What a power cut between two disks' headers leaves: the newest counts."""
    d = disks([16, 16])
    d.lvm("pvcreate", *d.devices)
    d.lvm("vgcreate", "-s", "1m", "vg0", *d.devices)
    old = d.images[1].read_bytes()
    d.create("web", "-L", "4M", "vg0", d.devices[0])
    d.images[1].write_bytes(old)
    assert "vg0/web" in d.map_of_tool()
    d.tool("create", "vg0/x", "2M")
    for device in d.devices:
        assert "seqno 3" in d.lvm("pvck", "--dump", "metadata", device)
    d.agree()


def scribble(image, offset):
    """Turns one bit there over."""
    with open(image, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0] ^ 1
        file.seek(offset)
        file.write(bytes([byte]))


@pytest.mark.parametrize("how, group, why", [
    (lambda d: d.lvm("pvcreate", d.devices[0]), "?", "is a physical volume in no group"),
    (lambda d: (d.lvm("pvcreate", "--pvmetadatacopies", "0", d.devices[0]),
                d.lvm("pvcreate", d.devices[1]),
                d.lvm("vgcreate", "vg0", *d.devices)),
     "?", "is a physical volume without metadata of its own, and no other disk here has its"),
    (lambda d: (d.lvm("pvcreate", "--metadataignore", "y", d.devices[0]),
                d.lvm("pvcreate", d.devices[1]),
                d.lvm("vgcreate", "vg0", *d.devices)),
     "?", "is a physical volume whose metadata is marked as ignored, and no other disk here"),
    (lambda d: (d.lvm("pvcreate", d.devices[0]), d.lvm("vgcreate", "vg0", d.devices[0]),
                scribble(d.images[0], 4096 + 40)),
     "?", "has a metadata area whose header is damaged: its checksum is wrong"),
    (lambda d: (d.lvm("pvcreate", d.devices[0]), d.lvm("vgcreate", "vg0", d.devices[0]),
                scribble(d.images[0], 4096 + 512 + 20)),
     "?", "has a metadata area whose text is damaged: its checksum is wrong"),
])
def test_physical_volumes_of_no_group_say_why(disks, how, group, why):
    """Each as LVM2 makes it, or breaks: never just a disk with nothing on it."""
    d = disks([16, 16])
    how(d)
    first = d.images[:1]
    listed = d.tool("list", images=first)
    assert f"pv {first[0]} group {group}: it {why}" in listed
    said = d.tool("read", "vg0/web", images=first, status=1)
    assert "names no volume group; this machine has none; " in said and why[:60] in said


def test_old_copies_are_told_with_the_advice_that_mends_them(disks):
    """A commit that was cut between two disks: vgck alone is content with it."""
    d = disks([16, 16])
    d.lvm("pvcreate", *d.devices)
    d.lvm("vgcreate", "-s", "1m", "vg0", *d.devices)
    writes = int(d.tool("--count", "create", "vg0/web", "4M").split()[0])
    before = [image.read_bytes() for image in d.images]
    for cut in range(1, writes + 1):
        d.tool("--cut", cut, "--lost", 1, "create", "vg0/x", "1M", status=(0, 3))
        listed = d.tool("list")
        if "note: " in listed:
            break
        for image, state in zip(d.images, before):
            image.write_bytes(state)
    advice = "vgck --updatemetadata vg0"
    assert re.search(rf"^note: vg0 has an older copy of its metadata on \S+: .*{advice}", listed,
                     re.M)
    d.lvm("vgck", "vg0", check=False)
    assert "note: " in d.tool("list")
    d.lvm(*advice.split())
    assert "note: " not in d.tool("list")
    d.agree()


def test_a_text_that_is_too_long_is_told(disks):
    """LVM2 takes metadata of any size that its area has room for."""
    d = disks([64])
    d.lvm("pvcreate", "--metadatasize", "16m", d.devices[0])
    d.lvm("vgcreate", "-s", "4k", "vg0", d.devices[0])
    backup = d.folder / "backup"
    d.lvm("vgcfgbackup", "-f", backup, "vg0")
    text = backup.read_text(encoding="utf-8").rstrip()
    tags = ", ".join(f'"{"t" * 1000}{number}"' for number in range(2200))
    text = text.replace('flags = []', f'flags = []\ntags = [{tags}]', 1)
    backup.write_text(text + "\n", encoding="utf-8")
    d.lvm("vgcfgrestore", "--force", "-f", backup, "vg0")
    assert "vg0" in d.groups()
    assert re.search(rf"^pv {d.images[0]} group vg0: it has 2\d{{6}} bytes of metadata text; "
                     r"Bulkhead takes 2097152 at most$", d.tool("list"), re.M)
    assert "vg0/web is in a volume group that can't be read: " in d.tool("read", "vg0/web",
                                                                       status=1)


def test_bad_requests_change_nothing(disks):
    d = disks([16])
    d.lvm("pvcreate", d.devices[0])
    d.lvm("vgcreate", "-s", "1m", "vg0", d.devices[0])
    d.tool("create", "vg0/web", "4M")
    before = d.images[0].read_bytes()
    for words, why in (
            (("create", "vg0/web", "1M"), "vg0/web exists already"),
            (("create", "vg1/web", "1M"), "names no volume group; this machine has vg0"),
            (("create", "vg0/a b", "1M"), "is no name of a volume"),
            (("create", "vg0/x_tdata", "1M"), "LVM2 keeps for its own"),
            (("create", "vg0/big", "1G"), "finds no room in vg0 for 1 GiB; 11 MiB are free"),
            (("--stripes", 2, "create", "vg0/s", "1M"), "can't have 2 stripes"),
            (("resize", "vg0/web", "2M"), "would be lost"),
            (("resize", "vg0/web", "4M"), "has that size already"),
            (("resize", "vg0/none", "4M"), "names no volume of the volume group vg0"),
            (("remove", "web"), "is not of the form GROUP/VOLUME"),
    ):
        assert why in d.tool(*words, status=1)
    assert d.images[0].read_bytes() == before
