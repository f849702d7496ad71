"""A disk with Debian programs for the sample guests, whose initramfs has busybox alone: an ext4
image with the programs, their libraries and their loader. Made without root."""

import pathlib
import re
import shutil
import subprocess

# In a guest, where it is vda: what mounts it. Then `/t/PROGRAM ...` runs one of them.
MOUNT = "mkdir /t && mount -o ro /dev/vda /t"
WRAPPER = """\
#!/bin/sh
exec /t/lib/ld.so --library-path /t/lib /t/bin/${0##*/} "$@"
"""


def find(program):
    """The program's file; system administration's are not on everybody's path."""
    found = shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    assert found, f"{program} is not installed: tools/deps/packages.txt names its package"
    return found


def libraries(program):
    """The shared libraries that a program needs, its loader first."""
    said = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    loader = re.search(r"^\s*(/\S*/ld-linux\S*)", said, re.M)
    return [loader[1], *re.findall(r"=> (/\S+)", said)]


def write_script(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def make(directory, programs, scripts=()):
    """Writes directory/tools.img and returns its path. `scripts`: pairs of a name and the text
    of a shell script."""
    root = pathlib.Path(directory) / "tools"
    (root / "bin").mkdir(parents=True)
    (root / "lib").mkdir()
    for program in programs:
        path = find(program)
        loader, *needed = libraries(path)
        shutil.copy(path, root / "bin" / program)
        shutil.copy(loader, root / "lib/ld.so")
        write_script(root / program, WRAPPER)
        for library in needed:
            shutil.copy(library, root / "lib")
    for name, text in scripts:
        write_script(root / name, text)
    image = pathlib.Path(directory) / "tools.img"
    used = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
    subprocess.run([find("mkfs.ext4"), "-q", "-d", root, "-O", "^has_journal", image,
                    f"{used * 5 // 4 // 1024 + 2048}k"], check=True)
    shutil.rmtree(root)
    return image
