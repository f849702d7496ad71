"""What the loader finds to boot (guests/samples/loader/find): on folders of this machine, by the
shell and awk that it has in a guest."""

import subprocess

import pytest

from tests.conftest import ROOT

FIND = ROOT / "guests/samples/loader/find"

GRUB = r"""
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="DEFAULT"
fi
function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
  fi
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	search --no-floppy --fs-uuid --set=root 1234
	echo	'Loading Linux 6.1.0-2 ...'
	linux	/boot/vmlinuz-6.1.0-2 root=UUID=1234 ro console=ttyS0 ${extra} a="b c"
	echo	'Loading initial ramdisk ...'
	initrd	/boot/initrd.img-6.1.0-2
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced' {
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-2' --class debian $menuentry_id_option 'two' {
		linux	/boot/vmlinuz-6.1.0-2 root=UUID=1234 ro advanced
		initrd	/boot/initrd.img-6.1.0-2
	}
	menuentry 'Debian GNU/Linux, with Linux 6.1.0-1' --class debian $menuentry_id_option 'one' {
		linux	/boot/vmlinuz-6.1.0-1 root=UUID=1234 ro older
		initrd	($root)/boot/ucode.img /boot/initrd.img-6.1.0-1
	}
}
menuentry "Memory test" --id memtest {
	linux16 /boot/memtest
}
menuentry 'UEFI firmware settings' {
	fwsetup
}
"""


@pytest.fixture(name="disks")
def fixture_disks(tmp_path):
    (tmp_path / "vda1").mkdir()
    return tmp_path


def put(disks, *paths, text=""):
    for path in paths:
        file = disks / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def find(disks):
    """What it says: by whom, the kernel, the initrds, the command line; or None, and why."""
    done = subprocess.run(["busybox", "sh", FIND, disks], capture_output=True, text=True,
                          check=False, timeout=60)
    if done.returncode:
        assert not done.stdout
        return None, done.stderr
    by, kernel, initrds, options = (done.stdout.split("\n") + [""] * 4)[:4]
    below = [path.removeprefix(f"{disks}/") for path in [kernel, *initrds.split()]]
    return (by, below[0], below[1:], options.strip()), done.stderr


# ---- the boot loader specification ----

def entry(disks, path, version, *more):
    put(disks, path, text="\n".join([f"title some {version}", f"version {version}", *more, ""]))


def test_the_newest_entry_of_the_specification(disks):
    put(disks, "vda1/m/6.9/linux", "vda1/m/6.10/linux", "vda1/m/6.10/initrd", "vda1/ucode")
    entry(disks, "vda1/loader/entries/m-6.9.conf", "6.9", "linux /m/6.9/linux", "options old")
    entry(disks, "vda1/loader/entries/m-6.10.conf", "6.10", "linux /m/6.10/linux",
          "initrd /ucode", "initrd\t/m/6.10/initrd", "options root=UUID=1 ro", "options quiet")
    assert find(disks)[0] == ("vda1/loader/entries/m-6.10.conf", "vda1/m/6.10/linux",
                              ["vda1/ucode", "vda1/m/6.10/initrd"], "root=UUID=1 ro quiet")


def test_the_entry_that_loader_conf_names(disks):
    put(disks, "vda1/9", "vda1/10")
    entry(disks, "vda1/loader/entries/m-9.conf", "9", "linux /9")
    entry(disks, "vda1/loader/entries/m-10.conf", "10", "linux /10")
    put(disks, "vda1/loader/loader.conf", text="timeout 3\ndefault m-9*\n")
    assert find(disks)[0][:2] == ("vda1/loader/entries/m-9.conf", "vda1/9")


def test_an_entry_without_its_kernel_is_passed_over(disks):
    put(disks, "vda1/boot/9")
    entry(disks, "vda1/boot/loader/entries/m-9.conf", "9", "linux /9", "options $tuned x")
    entry(disks, "vda1/boot/loader/entries/m-10.conf", "10", "linux /10")
    found, said = find(disks)
    assert found == ("vda1/boot/loader/entries/m-9.conf", "vda1/boot/9", [], "x")
    assert "m-10.conf names /10, which is not there" in said


def test_options_that_grub_keeps(disks):
    """As Fedora's and its kin have them: /boot is a partition of its own."""
    put(disks, "vda1/vmlinuz-1", "vda1/initramfs-1.img")
    put(disks, "vda1/grub2/grubenv", text="# GRUB\nsaved_entry=m-1\nkernelopts=root=UUID=7 ro\n")
    entry(disks, "vda1/loader/entries/m-1.conf", "1", "linux /vmlinuz-1",
          "initrd /initramfs-1.img $tuned_initrd", "options $kernelopts quiet $tuned_params")
    entry(disks, "vda1/loader/entries/m-2.conf", "2", "linux /vmlinuz-1", "options no")
    assert find(disks)[0] == ("vda1/loader/entries/m-1.conf", "vda1/vmlinuz-1",
                              ["vda1/initramfs-1.img"], "root=UUID=7 ro quiet")


def test_the_first_of_two_files_that_grub_keeps_counts(disks):
    put(disks, "vda1/9", "vda1/10")
    for n in (9, 10):
        entry(disks, f"vda1/loader/entries/m-{n}.conf", str(n), f"linux /{n}")
    put(disks, "vda1/grub/grubenv", text="saved_entry=m-9\n")
    put(disks, "vda1/grub2/grubenv", text="saved_entry=m-10\n")
    assert find(disks)[0][:2] == ("vda1/loader/entries/m-9.conf", "vda1/9")
    put(disks, "vda1/grub/grubenv", text="# GRUB\n")
    assert find(disks)[0][:2] == ("vda1/loader/entries/m-10.conf", "vda1/10")


# ---- grub.cfg ----

@pytest.fixture(name="grub")
def fixture_grub(disks):
    put(disks, *(f"vda1/boot/{name}" for name in
                 ("vmlinuz-6.1.0-1", "initrd.img-6.1.0-1", "vmlinuz-6.1.0-2",
                  "initrd.img-6.1.0-2", "ucode.img", "memtest")))
    put(disks, "vda1/etc/fstab", text="UUID=1234 / ext4 defaults 0 1\n")

    def write(default):
        put(disks, "vda1/boot/grub/grub.cfg", text=GRUB.replace("DEFAULT", default))
        return find(disks)[0]
    return write


FIRST = ("vda1/boot/vmlinuz-6.1.0-2", ["vda1/boot/initrd.img-6.1.0-2"],
         'root=UUID=1234 ro console=ttyS0 a="b c"')
TWO = ("vda1/boot/vmlinuz-6.1.0-2", ["vda1/boot/initrd.img-6.1.0-2"],
       "root=UUID=1234 ro advanced")
ONE = ("vda1/boot/vmlinuz-6.1.0-1", ["vda1/boot/ucode.img", "vda1/boot/initrd.img-6.1.0-1"],
       "root=UUID=1234 ro older")


@pytest.mark.parametrize("default, expected", (
    ("0", FIRST), ("1", TWO), ("1>0", TWO), ("1>1", ONE), ("two", FIRST),
    ("gnulinux-advanced>one", ONE), ("gnulinux-simple", FIRST),
    ("Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-1", ONE),
    ("memtest", ("vda1/boot/memtest", [], "")), ("3", FIRST), ("99", FIRST),
    ("${saved_entry}", FIRST)))
def test_the_entry_that_grub_would_boot(grub, default, expected):
    """One that does not exist, and one that has no kernel, is the first."""
    assert grub(default) == ("vda1/boot/grub/grub.cfg", *expected)


def test_the_entry_that_grub_saved(disks, grub):
    put(disks, "vda1/boot/grub/grubenv", text="saved_entry=gnulinux-advanced>one\n")
    assert grub("${saved_entry}")[1:] == ONE


def test_paths_of_a_subvolume(disks):
    put(disks, "vda1/@rootfs/boot/vmlinuz-6.1.0-2", "vda1/@rootfs/boot/initrd.img-6.1.0-2")
    put(disks, "vda1/@rootfs/boot/grub/grub.cfg", text=GRUB.replace("/boot/", "/@rootfs/boot/"))
    assert find(disks)[0][1] == "vda1/@rootfs/boot/vmlinuz-6.1.0-2"


def test_a_grub_cfg_without_a_kernel_is_passed_over(disks):
    put(disks, "vda1/boot/grub/grub.cfg", text="menuentry 'x' {\n chainloader +1\n}\n")
    put(disks, "vda1/boot/vmlinuz-1")
    found, said = find(disks)
    assert found[:2] == ("vda1/boot/vmlinuz-1", "vda1/boot/vmlinuz-1")
    assert "vda1/boot/grub/grub.cfg has no entry with a line 'linux'" in said


# ---- names ----

@pytest.mark.parametrize("before", ("", "/"))  # as links of Debian were, and are
def test_links_of_debian(disks, before):
    put(disks, *(f"vda1/boot/{name}-6.1.0-{n}" for name in ("vmlinuz", "initrd.img")
                 for n in (9, 10)))
    put(disks, "vda1/etc/fstab", text="# comment / x\nUUID=1 / ext4 errors=remount-ro 0 1\n")
    (disks / "vda1/vmlinuz").symlink_to(f"{before}boot/vmlinuz-6.1.0-9")
    assert find(disks)[0] == ("vda1/vmlinuz", "vda1/boot/vmlinuz-6.1.0-9",
                              ["vda1/boot/initrd.img-6.1.0-9"], "root=UUID=1 ro")


def test_the_newest_by_name_without_links(disks):
    put(disks, *(f"vda1/boot/vmlinuz-6.1.0-{n}" for n in (9, 10)), "vda1/boot/vmlinuz-0-rescue-1")
    assert find(disks)[0][1] == "vda1/boot/vmlinuz-6.1.0-10"


def test_boot_on_a_partition_of_its_own(disks):
    """A link into it leads nowhere; where the root is the other file system says."""
    put(disks, "vda2/vmlinuz-1", "vda2/initramfs-1.img")
    put(disks, "vda1/@/etc/fstab", text="UUID=1 / btrfs noatime,subvol=@,x 0 0\n")
    (disks / "vda1/@/vmlinuz").symlink_to("boot/vmlinuz-1")
    assert find(disks)[0] == ("vda2/vmlinuz-1", "vda2/vmlinuz-1", ["vda2/initramfs-1.img"],
                              "root=UUID=1 rootflags=subvol=@ ro")


def test_links_in_a_circle_end(disks):
    (disks / "vda1/vmlinuz").symlink_to("vmlinuz")
    assert find(disks)[0] is None


def test_nothing_to_boot_says_what_was_looked_at(disks):
    (disks / "vda3").mkdir()
    found, said = find(disks)
    assert found is None
    assert "vda1: no loader/entries, grub.cfg or vmlinuz that can be used" in said
    assert "vda3: no loader/entries" in said
