"""mkimage writes a disk that firmware and ordinary tools can read, or says why it cannot."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def run(*words):
    return subprocess.run(words, text=True, env=ENVIRONMENT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)


def mkimage(directory, *files):
    for name in ("boot", "kernel", "config"):
        (directory / name).write_text(name * 1000, encoding="utf-8")
    return run(ROOT / "tools/image/mkimage", directory / "out.img",
               "--boot", directory / "boot", "--kernel", directory / "kernel",
               "--config", directory / "config", *files)


def test_files_are_where_they_belong(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(os.urandom(60 << 20))
    done = mkimage(tmp_path, f"{big}=samples/deep/big", f"{big}=/other")
    assert done.returncode == 0, done.stdout

    partition = f"{tmp_path}/out.img@@1M"
    for path, source in {
        "EFI/BOOT/BOOTX64.EFI": "boot", "bulkhead/kernel.elf": "kernel",
        "bulkhead/bulkhead.yaml": "config", "bulkhead/samples/deep/big": "big",
        "bulkhead/other": "big",
    }.items():
        copy = tmp_path / "copy"
        assert run("mcopy", "-n", "-o", "-i", partition, f"::{path}", copy).returncode == 0
        assert copy.read_bytes() == (tmp_path / source).read_bytes(), path


def test_table_and_file_system_are_sound(tmp_path):
    assert mkimage(tmp_path).returncode == 0
    image = tmp_path / "out.img"
    assert "No problems found" in run("sgdisk", "--verify", image).stdout
    assert "EF00" in run("sgdisk", "--print", image).stdout
    partition = tmp_path / "partition"
    partition.write_bytes(image.read_bytes()[1 << 20:-(1 << 20)])
    done = run("fsck.vfat", "-n", partition)
    assert done.returncode == 0, done.stdout
    assert b"FAT32" in partition.read_bytes()[:512]


def test_missing_file_is_named_and_nothing_is_written(tmp_path):
    done = mkimage(tmp_path, f"{tmp_path}/none=samples/none")
    assert done.returncode != 0
    assert f"there is no file {tmp_path}/none" in done.stdout
    assert not (tmp_path / "out.img").exists()


def test_file_that_fat_cannot_hold_is_refused(tmp_path):
    huge = tmp_path / "huge"
    with open(huge, "wb") as file:
        file.truncate(4 << 30)
    done = mkimage(tmp_path, f"{huge}=huge")
    assert done.returncode != 0
    assert "4 GiB" in done.stdout


def make_image(document, image, *words):
    """`make image` as the documentation calls it."""
    outside = {key: value for key, value in ENVIRONMENT.items() if not key.startswith("MAKE")}
    return subprocess.run(["make", "-C", ROOT, "--no-print-directory", "image", f"FILE={document}",
                           f"IMAGE={image}", *words], text=True, check=False, env=outside,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_make_builds_one_for_a_document(tmp_path):
    """With the loader, and with files that are named; checked first."""
    document, image, more = tmp_path / "my.yaml", tmp_path / "out.img", tmp_path / "more"
    more.write_text("more", encoding="utf-8")
    document.write_text("guests: [{name: a, memory: 256 MiB, boot: {disk: 0}, "
                        "disks: [{source: 'ram:8 MiB'}]}]", encoding="utf-8")
    done = make_image(document, image, f"WITH={more}=disks/web.img")
    assert done.returncode == 0, done.stdout
    assert "my.yaml: good, 1 guest\n" in done.stdout
    for path in ("bulkhead.yaml", "loader/vmlinuz", "loader/initrd.gz", "disks/web.img"):
        found = run("mdir", "-i", f"{image}@@1M", f"::bulkhead/{path}")
        assert found.returncode == 0, found.stdout

    image.unlink()
    document.write_text("guests: [{name: a, memry: 256 MiB}]", encoding="utf-8")
    done = make_image(document, image)
    assert done.returncode == 2
    assert "did you mean 'memory'?" in done.stdout and not image.exists()


def test_make_keeps_the_samples_images(tmp_path):
    done = make_image(tmp_path / "my.yaml", "build/bulkhead.img")
    assert done.returncode == 2 and "write IMAGE=build/my.img" in done.stdout
