"""A Linux kernel that runs one program of tests/bench/guest, as a guest and on the bare emulated
machine, with tools/qemu/count.c counting."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from figures import ROOT

from tools.qemu.machine import CPU, Machine

SAMPLES = ROOT / "build/samples"  # the cloud kernel, which knows few devices
FULL = ROOT / "build/bench/amd64"  # the one for all machines
PLUGIN = ["-plugin", ROOT / "build/bench/count.so"]
ONE = "tcg,thread=single"
COUNT = "by a TCG plugin on one CPU"
VIRTIO = ["virtio_pci", "virtio_blk", "virtio_net"]
LIMIT_S = 400


def initramfs(directory, kernel, programs, modules):
    """The samples' initramfs with `programs` at its root, and the modules of `kernel` (SAMPLES or
    FULL) for virtio and those named: its path. The kernel unpacks archives one after the other."""
    out = directory / "initrd.gz"
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for program in programs:
            shutil.copy(program, root / program.name)
        subprocess.run([ROOT / "guests/samples/copy-modules", kernel / "modules", root,
                        *VIRTIO, *modules], check=True)
        more = subprocess.run("find . | cpio --quiet -o -H newc -R 0:0 | gzip -1n", shell=True,
                              cwd=root, check=True, capture_output=True).stdout
    out.write_bytes((SAMPLES / "initrd.gz").read_bytes() + more)
    return out


def guest(directory, config, kernel, initrd, extra, name, ask=None):
    """Runs the guest `bench` of `config` until it has powered off; returns what was said. `ask`: a
    command for the operator's console at the end."""
    document, image = directory / "bench.yaml", directory / "bench.img"
    document.write_text(config, encoding="utf-8")
    subprocess.run([ROOT / "tools/image/mkimage", image, "--config", document,
                    f"{kernel / 'vmlinuz'}=vmlinuz", f"{initrd}=initrd.gz"], check=True)
    with Machine(image, name=name, limit_s=LIMIT_S, cpus=1, memory_mib=1024, accel=ONE,
                 extra=[str(word) for word in (*PLUGIN, *extra)]) as machine:
        machine.expect(r"\] bench: (?:powered off|.*error|.*stopped).*|no guest is started", LIMIT_S)
        if ask:
            machine.send(f"\x1dh{ask}\nbench-end\n")
            machine.expect('no command "bench-end"', 60)
        return machine.output


def bare(kernel, initrd, command, extra):
    """The same program on the emulated machine itself."""
    words = ["timeout", str(LIMIT_S), "qemu-system-x86_64", "-machine", "q35", "-accel", ONE,
             "-cpu", CPU, "-smp", "1", "-m", "256", "-nodefaults", "-display", "none",
             "-serial", "stdio", "-no-reboot", "-kernel", kernel / "vmlinuz", "-initrd", initrd,
             "-append", f'console=ttyS0 quiet bulkhead.run="{command}; poweroff -f"',
             *PLUGIN, *extra]
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    assert re.search("^BENCH ", done.stdout, re.M), done.stdout[-2000:]
    return done.stdout
