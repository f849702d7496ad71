"""What disks of the machine can be named as: partitions of sound and damaged tables, files of
the boot partition, memory; who has what; and documents that give one thing to two guests."""

import hashlib
import os
import re
import struct
import subprocess
import zlib

import pytest

from tests.conftest import LINUX, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

DATA = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
MIB = 1 << 20


def tool(*words, typed=None):
    """Runs a tool of partitioning; they live where only root looks."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run([str(word) for word in words], env=environment, check=True, text=True,
                   input=typed, stdout=subprocess.DEVNULL)


def blank(path, mib):
    with open(path, "wb") as image:
        image.truncate(mib * MIB)
    return path


@pytest.fixture
def disks(tmp_path):
    """Three disks: a GPT, a GPT whose first copy is damaged, an MBR. Returns QEMU's words."""
    sound = blank(tmp_path / "sound.img", 64)
    tool("sgdisk", "--new=1:2048:+2M", "--change-name=1:data", f"--partition-guid=1:{DATA}",
         "--new=2:0:+8M", "--change-name=2:twin", "--new=3:0:+8M", "--change-name=3:twin", sound)
    damaged = blank(tmp_path / "damaged.img", 16)
    tool("sgdisk", "--new=7:2048:0", "--change-name=7:rescued", damaged)
    with open(damaged, "r+b") as image:
        image.seek(512 + 56)  # in the header of the first table
        image.write(b"\xff")
    old = blank(tmp_path / "old.img", 64)
    tool("sfdisk", old, typed="label: dos\nlabel-id: 0x1a2b3c4d\nold1: size=16M,type=83\n"
                              "old2: size=32M,type=5\nold5: size=1M,type=83\n")
    words = []
    for number, (path, device) in enumerate(((sound, "nvme,serial=SOUND"),
                                             (damaged, "virtio-blk-pci,serial=DAMAGED"),
                                             (old, "virtio-blk-pci,serial=OLD"))):
        words += ["-drive", f"if=none,id=d{number},format=raw,file={path}",
                  "-device", f"{device},drive=d{number}"]
    return words


def guest(name, *sources):
    lines = [f"  - name: {name}", "    memory: 160 MiB",
             '    boot: {kernel: "esp:/samples/vmlinuz", initrd: "esp:/samples/initrd.gz",',
             '           cmdline: "console=ttyS0"}', "    disks:"]
    lines += [f"      - {{{source}}}" for source in sources]
    return "\n".join(lines) + "\n"


# What is wrong with each disk is in REFUSED, in the same order; None: nothing.
WRONG = "guests:\n" + guest(
    "alpha", 'source: "part:data"', 'source: "part:rescued", read_only: true',
    'source: "disk:OLD"', 'source: "esp:/disks/web.img", read_only: true',
) + guest(
    "beta", f'source: "part:{DATA.upper()}"', 'source: "part:rescued", read_only: true',
    'source: "part:1a2b3c4d-05"', 'source: "disk:esp"', 'source: "part:twin"',
    'source: "part:nothing"', 'source: "esp:/disks/nothing.img"',
)
REFUSED = [
    r"guest 'alpha': disks\[0\] and disks\[0\] of guest 'beta' on line 16 exclude .*shares 2 MiB",
    None,
    r"guest 'alpha': disks\[2\] and disks\[2\] of guest 'beta' on line 18 exclude .*shares 1 MiB",
    r"guest 'alpha': disks\[3\] and disks\[3\] of guest 'beta' on line 19 exclude .*shares 2 MiB",
    r"guest 'beta': disks\[0\] and disks\[0\] of guest 'alpha' on line 7 exclude .*shares 2 MiB",
    None,
    r"guest 'beta': disks\[2\] and disks\[2\] of guest 'alpha' on line 9 exclude .*shares 1 MiB",
    r"guest 'beta': disks\[3\] and disks\[3\] of guest 'alpha' on line 10 exclude .*shares 2 MiB",
    r".*part:twin' is the label of several partitions; write one of part:[0-9a-f-]{36}",
    r".*part:nothing' names no partition; this machine has .*part:data \(2 MiB on nvme\d\)",
    r".*nothing\.img' is not there: nothing is called 'nothing\.img' in its folder",
]


def test_what_disks_have_and_what_is_refused(disks, tmp_path):
    web = blank(tmp_path / "web.img", 2)
    image = make_image(tmp_path / "boot.img", WRONG, {**LINUX, "disks/web.img": web})
    with Machine(image, name="volumes-refused", limit_s=120, cpus=2, memory_mib=1024,
                 extra=disks) as machine:
        begin = machine.mark()
        for said in (r"nvme\d: GPT with 3 partitions$",
                     r"virtio\d: the GPT at the disk's start has a wrong checksum in its header; "
                     r"its copy at block 32767 is used, and Linux sees no partition",
                     r"virtio\d: MBR with 2 partitions$"):
            machine.rewind(begin)
            machine.expect(said, 60)
        for line, reason in zip((*range(7, 11), *range(16, 23)), REFUSED):
            if reason:
                machine.rewind(begin)
                machine.expect(rf"config: warning: bulkhead\.yaml:{line}:\d+: {reason}", 30)
        assert machine.count("warning: bulkhead") == sum(1 for reason in REFUSED if reason)
        for name, other in (("alpha", "beta"), ("beta", "alpha")):
            machine.rewind(begin)
            machine.expect(rf"{name}: error: not started: disks\[0\]\.source .* shares 2 MiB of "
                           rf"nvme\d with .* of guest '{other}'", 30)

        listed = "\n".join(Terminal(machine, []).operator("disks"))
        for source in ("disk:SOUND ", "disk:DAMAGED ", "disk:OLD ", "disk:esp ", f"part:{DATA} ",
                       "part:1a2b3c4d-01 ", "part:1a2b3c4d-05 "):
            assert source in listed, listed
        assert "'rescued', number 7 of virtio" in listed
        assert "has:" not in listed


def put_mbr(path, lba, *entries):
    """Entries of an MBR, or of a block of a chain: (status, type, first, count)."""
    with open(path, "r+b") as image:
        for number, (status, kind, first, count) in enumerate(entries):
            image.seek(lba * 512 + 446 + 16 * number)
            image.write(struct.pack("<B3xB3xII", status, kind, first, count))
        image.seek(lba * 512 + 510)
        image.write(b"\x55\xaa")


def put_header(path, lbas, offset, value):
    """Changes eight bytes of a GPT's headers, and makes their checksums right."""
    with open(path, "r+b") as image:
        for lba in lbas:
            image.seek(lba * 512)
            header = bytearray(image.read(92))
            struct.pack_into("<Q", header, offset, value)
            struct.pack_into("<I", header, 16, 0)
            struct.pack_into("<I", header, 16, zlib.crc32(header))
            image.seek(lba * 512)
            image.write(header)


def odd_tables(folder):
    """{name: (image, what the log says of it)}: tables as they are met, and as none should be."""
    last = 16 * 2048 - 1
    odd = {}

    def make(name, said, *words):
        odd[name] = (blank(folder / f"{name}.img", 16), said)
        if words:
            tool("sgdisk", *words, odd[name][0])
        return odd[name][0]

    put_header(make("EARLY", "partition 1 lies outside of what the table calls usable",
                    "-a", "1", "-n", "1:40:+100", "-n", "2:2048:+8M"), (1, last), 40, 64)
    tool("sgdisk", "-n", "1:0:+4M", make("LARGE", None, "-S", "4096"))
    put_mbr(make("HYBRID", "partition 1 begins with the partition table itself: .*; "
                           "partition 3 is cut off at the disk's end; partition 4 is left out"), 0,
            (0x80, 0, 0, 20000), (0, 0xef, 2000, 3000), (0, 0x83, 30000, 9000),
            (0, 0x83, 40000, 100))
    chains = make("CHAINS", None)
    put_mbr(chains, 0, (0, 5, 1000, 2000), (0, 0x83, 10000, 100), (0, 15, 20000, 2000))
    put_mbr(chains, 1000, (0, 0x83, 10, 20), (0, 5, 500, 100), (0, 0x83, 1, 1),
            (0, 0x83, 1, 100000))
    put_mbr(chains, 1500, (0, 0, 5, 6))
    put_mbr(chains, 20000, (0, 5, 100, 100), (0, 0x82, 3, 4))
    put_mbr(chains, 20100, (0x7f, 0x83, 1, 2))
    with open(make("GROWN", rf"the disk has grown: the copy of its GPT lies at block {last}, and "
                            r"not in the last one, \d+", "-n", "1:2048:+8M"), "r+b") as image:
        image.truncate(24 * MIB)
    with open(make("BACKUP", rf"its copy at block {last} is used, and Linux sees no partition",
                   "-n", "1:2048:+8M"), "r+b") as image:
        image.seek(512 + 56)
        image.write(b"\xff")
    put_mbr(make("SHIFTED", "Linux sees no partition here: its protective MBR", "-n",
                 "1:2048:+8M"), 0, (0, 0xee, 2, last - 1))
    put_header(make("BEYOND", "Linux sees no partition here: its usable blocks go beyond", "-n",
                    "1:2048:+8M"), (1, last), 48, last + 1)
    return odd


def test_partitions_are_those_that_linux_has(tmp_path):
    """A guest that has the disks whole is asked; where Linux sees none, the log says so."""
    odd = odd_tables(tmp_path)
    document = "guests:\n" + guest("alpha", *(f'source: "disk:{name}", read_only: true'
                                              for name in odd))
    words = []
    for name, (path, _) in odd.items():
        words += ["-drive", f"if=none,id={name},format=raw,file={path}",
                  "-device", f"virtio-blk-pci,serial={name},drive={name}"]
    image = make_image(tmp_path / "boot.img", document, LINUX)
    with Machine(image, name="volumes-odd", limit_s=200, cpus=2, memory_mib=1024,
                 extra=words) as machine:
        begin = machine.mark()
        machine.expect("guest linux ready", 120)
        terminal = Terminal(machine, ["alpha"])
        listed = terminal.operator("disks")
        ours = {(name, int(number)) for name, device in
                re.findall(r"disk:(\w+) .*? (virtio\d+),", "\n".join(listed)) for number in
                re.findall(rf"number (\d+) of {device}\b", "\n".join(listed))}
        said = terminal.shell("alpha", "for p in /sys/block/vd?/vd??; do "
                                       "echo ${p##*/} $(cat $p/size); done")
        names = dict(zip("abcdefgh", odd))
        # Of an extended partition Linux makes one of two blocks, for boot loaders.
        linux = {(names[disk], int(number)) for disk, number, size in
                 re.findall(r"^vd([a-h])(\d+) (\d+)\r?$", said, re.M) if size != "2"
                 or (names[disk], number) == ("CHAINS", "9")}
        unseen = {("BACKUP", 1), ("SHIFTED", 1), ("BEYOND", 1)}
        assert ours - unseen == linux and unseen <= ours, f"{ours} {linux} {listed}"
        for _, expected in odd.values():
            if expected:
                machine.rewind(begin)
                machine.expect(rf"virtio\d: .*{expected}", 10)


def scatter(image, source):
    """Puts `source` at \\bulkhead\\disks\\web.img of a boot image, into many small gaps."""
    at = ("-i", f"{image}@@1M")
    gap = blank(image.with_suffix(".gap"), 0)
    gap.write_bytes(bytes(20000))
    gaps = [f"::/gap{number}" for number in range(60)]
    for name in gaps:
        tool("mcopy", *at, gap, name)
    tool("mdel", *at, *gaps[::2])
    with open(image, "r+b") as file:
        file.seek(MIB + 512 + 492)  # FSInfo's hint, so that the gaps are found
        file.write(b"\xff\xff\xff\xff")
    tool("mmd", *at, "::/bulkhead/disks")
    tool("mcopy", *at, source, "::/bulkhead/disks/web.img")


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_a_guest_writes_to_all_of_them(disks, tmp_path):
    """What it wrote is where it belongs, and the file system around its file is whole."""
    document = "guests:\n" + guest("alpha", f'source: "part:{DATA}"',
                                   'source: "esp:/disks/web.img"', 'source: "ram:1 MiB"',
                                   'source: "part:1a2b3c4d-05"')
    image = make_image(tmp_path / "boot.img", document, LINUX)
    scatter(image, blank(tmp_path / "web.img", 1))
    with Machine(image, name="volumes-guest", limit_s=200, cpus=2, memory_mib=1024,
                 snapshot=False, extra=disks) as machine:
        machine.expect("guest linux ready", 120)
        terminal = Terminal(machine, ["alpha"])
        sizes = terminal.shell("alpha", "echo sizes $(cat /sys/block/vd?/size)")
        assert re.search("^sizes 4096 2048 2048 2048$", sizes, re.M), sizes
        wrote = {}
        for name, mib in (("vda", 2), ("vdb", 1), ("vdc", 1), ("vdd", 1)):
            said = terminal.shell(
                "alpha", f"cmp -n {mib * MIB} /dev/{name} /dev/zero && echo was empty; cd /tmp; "
                f"head -c {mib * MIB} /dev/urandom >x; dd if=x of=/dev/{name} bs=96k conv=fsync; "
                f"echo 3 >/proc/sys/vm/drop_caches; cmp x /dev/{name} && sha256sum x", 120)
            assert re.search("^was empty$", said, re.M), said
            wrote[name] = re.search("^([0-9a-f]{64})  x$", said, re.M).group(1)
        listed = terminal.operator("disks")
        for source in (f"part:{DATA} ", "part:1a2b3c4d-05 ", "disk:esp "):
            assert any(source in line and "has: alpha" in line for line in listed), listed

    sound = (tmp_path / "sound.img").read_bytes()
    assert digest(sound[MIB:3 * MIB]) == wrote["vda"]
    old = (tmp_path / "old.img").read_bytes()
    assert digest(old[36864 * 512:][:MIB]) == wrote["vdd"]
    tool("mcopy", "-n", "-o", "-i", f"{image}@@1M", "::/bulkhead/disks/web.img",
         tmp_path / "back.img")
    assert digest((tmp_path / "back.img").read_bytes()) == wrote["vdb"]
    partition = tmp_path / "partition.img"
    partition.write_bytes(image.read_bytes()[MIB:-MIB])
    tool("fsck.vfat", "-n", partition)
