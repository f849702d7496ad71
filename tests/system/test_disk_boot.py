"""Guests that boot what is on a disk of their own (`boot: {disk: N}`): the loader finds a kernel
there and goes on to it, which is another than its own and has all CPUs and devices. A kernel that
the guest puts there is used at its next start. A disk without one ends the guest, with a reason."""

import pathlib
import re
import shutil
import subprocess

import pytest

from tests.conftest import LOADER, ROOT, make_image
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

SAMPLES = ROOT / "build/samples"
OTHER = ROOT / "build/bench/amd64"
BOOT_S = 300
MIB = 1 << 20

DOCUMENT = """
guests:
  - name: own
    cpus: {count: 2}
    memory: 448 MiB
    boot: {disk: 1, cmdline: "bulkhead.name=own"}
    disks: [{source: "ram:8 MiB"}, {source: "disk:own"}]
    autostart: false
  - name: parts
    cpus: {count: 2}
    memory: 448 MiB
    boot: {disk: 0, cmdline: "quiet bulkhead.name=parts"}
    disks: [{source: "disk:parts", read_only: true}]
    autostart: false
  - name: little
    memory: 128 MiB
    boot: {disk: 0}
    disks: [{source: "disk:parts", read_only: true}]
    autostart: false
  - name: copy
    memory: 384 MiB
    boot: {disk: 0, cmdline: "quiet bulkhead.name=copy"}
    disks: [{source: "disk:spare"}]
    autostart: false
  - name: bare
    memory: 256 MiB
    boot: {disk: 0}
    disks: [{source: "ram:8 MiB"}]
    autostart: false
"""


def call(*words, **options):
    subprocess.run([str(word) for word in words], check=True, capture_output=True, **options)


def version(modules):
    return next((modules / "lib/modules").iterdir()).name


def make_own(disk, directory):
    """ext4 on the whole disk, as tools/mkguest makes it: kernels in /boot, a link to one."""
    tree = directory / "tree"
    (tree / "boot").mkdir(parents=True)
    (tree / "etc").mkdir()
    cloud, other = version(SAMPLES / "modules"), version(OTHER / "modules")
    shutil.copy(SAMPLES / "vmlinuz", tree / f"boot/vmlinuz-{cloud}")
    shutil.copy(SAMPLES / "initrd.gz", tree / f"boot/initrd.img-{cloud}")
    shutil.copy(OTHER / "vmlinuz", tree / f"boot/vmlinuz-{other}")
    call(ROOT / "guests/samples/make-initrd", tree / f"boot/initrd.img-{other}", OTHER / "modules")
    (tree / "vmlinuz").symlink_to(f"boot/vmlinuz-{cloud}")
    (tree / "etc/fstab").write_text("UUID=6bd1c9c2-6a0e-4a4b-9c5e-6f0b8f1d2a01 / ext4 x 0 1\n",
                                    encoding="utf-8")
    call("/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, disk, "96M")


def make_parts(disk, directory):
    """A GPT whose second partition is FAT, with an entry of the boot loader specification. Its
    kernel is the cloud's, as the other is packed by xz, which emulated CPUs unpack slowly."""
    start = 4 * MIB
    with open(disk, "wb") as file:
        file.truncate(64 * MIB)
    call("/sbin/sgdisk", "--new=1:2048:4095", f"--new=2:{start // 512}:+56M", "--typecode=2:ea00",
         disk)
    call("/sbin/mkfs.vfat", f"--offset={start // 512}", disk, 56 * MIB // 1024)
    entry = directory / "entry.conf"
    entry.write_text("title cloud\nversion 2\nlinux /cloud/linux\ninitrd /cloud/initrd\n"
                     "options root=/dev/none console=ttyS0\n", encoding="utf-8")
    on = ("-i", f"{disk}@@{start}")
    call("mmd", *on, "::loader", "::loader/entries", "::cloud")
    call("mcopy", *on, entry, "::loader/entries/cloud.conf")
    call("mcopy", *on, SAMPLES / "vmlinuz", "::cloud/linux")
    call("mcopy", *on, SAMPLES / "initrd.gz", "::cloud/initrd")


@pytest.fixture(scope="module", name="house")
def fixture_house(tmp_path_factory):
    directory = tmp_path_factory.mktemp("disk-boot")
    extra = []
    for name, make in (("own", make_own), ("parts", make_parts)):
        disk = directory / f"{name}.disk"
        make(disk, directory)
        extra += ["-drive", f"if=none,id={name},format=raw,file={disk}",
                  "-device", f"nvme,drive={name},serial={name}"]
    with open(directory / "spare.disk", "wb") as file:
        file.truncate(100 * MIB)
    extra += ["-drive", f"if=none,id=spare,format=raw,file={directory}/spare.disk",
              "-device", "nvme,drive=spare,serial=spare"]
    image = make_image(directory / "esp.img", DOCUMENT, LOADER)
    with Machine(image, name="disk-boot", limit_s=900, extra=extra) as machine:
        machine.expect(r"boot: up \d+ ms", BOOT_S)
        yield Terminal(machine, ["own", "parts", "little", "copy", "bare"])


def ready(house, name, begin):
    """Waits until the sample's initramfs is up in the guest; its CPUs."""
    house.machine.rewind(begin)
    return int(house.machine.expect(rf"^{name}\| guest {name} ready: cpus=(\d+)", BOOT_S)[1])


def test_a_disk_that_an_image_was_written_to(house):
    """The disk of a guest that does not run serves as the image. What loses another guest's disk
    takes a word."""
    write = "image write disk:own disk:spare"
    said = "\n".join(house.operator(write))
    assert "it is disks[0] of guest 'copy'" in said and f"type: {write} destroy anyway" in said
    assert any("disk:own is written to disk:spare: 96 MiB, of which" in line
               for line in house.operator(f"{write} destroy anyway", 120))
    begin = house.machine.mark()
    house.operator("start copy")
    assert ready(house, "copy", begin) == 1
    assert "'copy' has" in "\n".join(house.operator(f"{write} destroy anyway"))
    house.operator("stop copy")


def test_it_boots_its_disk_and_then_what_it_put_there(house):
    """The first kernel is the loader's own once more; the one that it puts in its place is of
    another flavour."""
    machine = house.machine
    begin = machine.mark()
    house.operator("start own")
    assert ready(house, "own", begin) == 2
    assert machine.count(r"^own\| loader: vdb/boot/vmlinuz-\S+ root=UUID=6bd1c9c2-\S+ ro "
                         r"console=ttyS0 bulkhead.name=own \(by vdb/vmlinuz\)$") == 1
    assert "root=UUID=6bd1c9c2" in house.shell("own", "cat /proc/cmdline", 60)
    assert "bulkhead.disk" not in house.shell("own", "cat /proc/cmdline", 60)
    other = version(OTHER / "modules")
    begin = machine.mark()
    house.shell("own", "mkdir /d; mount -t ext4 /dev/vdb /d && "
                f"ln -sf boot/vmlinuz-{other} /d/vmlinuz && umount /d && echo put", 60)
    house.keyboard("own")
    machine.send("reboot\n")
    assert ready(house, "own", begin) == 2
    assert other in house.shell("own", "uname -r", 60)
    # Disks work with both CPUs: each has a queue of its own.
    said = house.shell("own", "for cpu in 0 1; do taskset -c $cpu dd if=/dev/vdb of=/dev/null "
                       "bs=1M count=16 iflag=direct 2>&1 | grep -c '16+0 records in'; done", 60)
    assert re.findall(r"^1$", said, re.M) == ["1", "1"], said
    house.operator("stop own")


def test_entries_on_a_partition(house):
    begin = house.machine.mark()
    house.operator("start parts")
    assert ready(house, "parts", begin) == 2
    assert house.machine.count(r"^parts\| loader: vda2/cloud/linux .*"
                               r"\(by vda2/loader/entries/cloud.conf\)$") == 1
    assert "root=/dev/none" in house.shell("parts", "cat /proc/cmdline", 60)
    house.operator("stop parts")


def test_what_cannot_boot_ends_the_guest(house):
    """A disk that has nothing; and too little memory, of which kexec takes half at most."""
    machine = house.machine
    begin = machine.mark()
    for name, said in (("bare", r"loader: disk 0 \(vda\) has no file system that Linux \(\S+\) can mount"),
                       ("little", r"  /disk/vda2/cloud/linux: .* \(give the guest more memory, ")):
        house.operator(f"start {name}")
        machine.rewind(begin)
        machine.expect(rf"^{name}\| {said}", BOOT_S)
        machine.expect(rf"{name}: .*panicked", 60)
        house.wait_for_state(name, "failed")
        assert any(re.search(rf"^{name} +failed", line) for line in house.operator("list"))


def test_a_loader_that_is_not_there_is_named(tmp_path):
    """Before anything starts, where the document is checked."""
    (tmp_path / "guest.yaml").write_text(
        "guests: [{name: a, memory: 256 MiB, boot: {disk: 0}, disks: [{source: 'ram:8 MiB'}]}]",
        encoding="utf-8")
    done = subprocess.run([ROOT / "build/check-config", "--esp", tmp_path,
                           pathlib.Path(tmp_path / "guest.yaml")], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1
    for file, build in ("vmlinuz", "vmlinuz"), ("initrd.gz", "loader.gz"):
        assert re.search(f"boot.disk: there is no file esp:/loader/{file};"
                         f".* build/samples/{build} of .* there", done.stdout)
