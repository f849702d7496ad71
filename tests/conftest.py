"""What the tests in Python share: the root, and how a machine is booted for one test."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools.qemu.machine import Machine  # pylint: disable=wrong-import-position

# Where kernels are, and the same ones with their rules checked (kernel/lib/checks.h).
BUILD = ROOT / "build"
CHECKED = BUILD / "checked"
SAMPLES = ROOT / "build/samples"
LOADER = {"loader/vmlinuz": SAMPLES / "vmlinuz", "loader/initrd.gz": SAMPLES / "loader.gz"}
LINUX = {"samples/vmlinuz": SAMPLES / "vmlinuz", "samples/initrd.gz": SAMPLES / "initrd.gz"}


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; `make test-long` runs it")


def script(path):
    """A program in Python without an end to its name, such as "tools/mkguest", as a module."""
    loader = importlib.machinery.SourceFileLoader(path.replace("/", "_"), str(ROOT / path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def housekeeping(usual):
    """Parameters of a fixture or test: the CPUs for the hypervisor's own work, `usual` in every run
    and the other choice in the long one. On two of them devices' threads run at the same time, with
    each other and with interrupts; on one they take turns, and wait longer for each other."""
    choices = {"[0]": "one-housekeeping-cpu", "[0, 1]": "two-housekeeping-cpus"}
    return [pytest.param(cpus, id=name, marks=() if cpus == usual else pytest.mark.long)
            for cpus, name in choices.items()]


def make_image(out, config, files, build=BUILD):
    """Writes a disk image with the configuration `config` (text) and `files` (a dictionary of
    path below \\bulkhead\\ to source), and the kernel of `build`."""
    document = out.with_suffix(".yaml")
    document.write_text(config, encoding="utf-8")
    words = [f"{source}={path}" for path, source in files.items()]
    subprocess.run([ROOT / "tools/image/mkimage", out, "--config", document,
                    "--kernel", build / "kernel.elf", *words], check=True)
    return out


@pytest.fixture
def boot(request, tmp_path):
    """A function: boot(config, files, **options) starts a machine with this configuration and
    these files and returns it; options are those of Machine. All end with the test."""
    machines = []

    def start(config, files=None, **options):
        number = len(machines) + 1
        name = request.node.name if number == 1 else f"{request.node.name}-{number}"
        image = make_image(tmp_path / f"{number}.img", config, LINUX if files is None else files)
        machine = Machine(image, name=name, **options)
        machines.append(machine)
        return machine.start()

    yield start
    for machine in machines:
        machine.stop()
