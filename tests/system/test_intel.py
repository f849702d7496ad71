"""The same machine on Intel: guest programs and Linux on VMX, in Bochs.

Bochs is slow, so one boot runs several guest programs, each as a guest of its own on shared
CPUs. Each of the CPU models has something that the others lack: Arrandale has no x2APIC, no
XSAVE, no 1 GiB pages and no APIC virtualization.
"""

import re

import pytest

from tests.conftest import ROOT, SAMPLES, make_image
from tools.bochs import machine as bochs

MODELS = ["corei7_skylake_x", "corei5_arrandale_m520"]
MORE_MODELS = ["corei7_haswell_4770", "corei7_icelake_u", "tigerlake", "sapphire_rapids",
               "arrow_lake", "wildcat_lake"]

# Programs that run to their end by themselves, and with how many vCPUs.
PROGRAMS = {
    "apic": 2, "cpuid": 2, "cr_reserved": 1, "hlt_if0": 2, "interrupt_storm": 2, "log_flood": 1,
    "mmio": 1, "msr_sweep": 1, "ports": 1, "sipi_races": 4, "smc": 2, "xsetbv": 2,
}
LIMIT_S = 900
# Instructions in a second of the machine's time: enough that what programs do between two looks
# at a clock takes no time by that clock.
IPS = 200_000_000

pytestmark = pytest.mark.skipif(bochs.missing() is not None, reason=str(bochs.missing()))


@pytest.fixture
def boot(request, tmp_path):
    """boot(config, files, **options) starts an Intel machine; it ends with the test."""
    machines = []

    def start(config, files, **options):
        name = re.sub(r"\W+", "-", request.node.name)
        image = make_image(tmp_path / "disk.img", config, files)
        machines.append(bochs.Machine(image, name=name, limit_s=LIMIT_S, **options))
        return machines[-1].start()

    yield start
    for machine in machines:
        machine.stop()


def programs_config(programs):
    guests = "".join(f"""
  - name: {name.replace("_", "-")}
    cpus: {{count: {vcpus}}}
    memory: 32 MiB
    boot: {{kernel: "esp:/{name}.elf"}}
    debug_exit: true
    on_crash: stop""" for name, vcpus in programs.items())
    return f"guests:{guests}\n"


def run_programs(boot, model, programs):
    """Runs them side by side on one machine of 4 CPUs; each must end with status 0."""
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf" for name in programs}
    machine = boot(programs_config(programs), files, model=model, cpus=4, ips=IPS)
    failed = []
    for name in (name.replace("_", "-") for name in programs):
        machine.rewind(0)
        end = machine.expect(rf"\] {name}: (?:error: )?((?:exited|crashed|stopped).*)\n",
                             LIMIT_S)
        if end.group(1) != "exited with status 0":
            failed.append(f"{name}: {end.group(1)}")
    failed += re.findall(r"^\S+\| FAIL .*", machine.output, re.M)
    assert not failed, f"{machine.log_path}: {failed}"
    assert machine.count(r"\] vmm: VMX with EPT") == 1


@pytest.mark.parametrize("model", MODELS)
def test_guest_programs(boot, model):
    run_programs(boot, model, PROGRAMS)


@pytest.mark.long
@pytest.mark.parametrize("model", MORE_MODELS)
def test_guest_programs_on_more_models(boot, model):
    run_programs(boot, model, PROGRAMS)


def test_a_crash_is_confined(boot):
    """A triple fault ends its guest alone, as often as it is started; the other goes on."""
    config = """
guests:
  - name: dies
    memory: 32 MiB
    boot: {kernel: "esp:/triple_fault.elf"}
    on_crash: stop
  - name: lives
    memory: 32 MiB
    boot: {kernel: "esp:/neighbour.elf"}
"""
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf"
             for name in ("triple_fault", "neighbour")}
    machine = boot(config, files, cpus=2)
    machine.expect(r"dies: error: crashed: vCPU 0: triple fault at RIP 0x", 120)
    machine.expect(r"^lives\| ", 60)
    machine.expect(r"^lives\| ", 60)
    assert not machine.count("panic:")


def linux_config(vcpus, placement):
    return f"""
guests:
  - name: alpha
    cpus: {{count: {vcpus}, {placement}}}
    memory: 256 MiB
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=alpha"
"""


def run_linux(boot, vcpus, placement, **options):
    files = {"vmlinuz": SAMPLES / "vmlinuz", "initrd.gz": SAMPLES / "initrd.gz"}
    machine = boot(linux_config(vcpus, placement), files, ips=50_000_000, **options)
    machine.expect(rf"alpha\| guest alpha ready: cpus={vcpus} ", LIMIT_S)
    machine.expect("alpha# ", 120)
    machine.send("echo $((6 * 7)) | sed s/^/answer=/\n")
    machine.expect("answer=42", 120)
    assert not machine.count("Call Trace")


def test_linux_to_its_shell(boot):
    run_linux(boot, 1, "pin: [1]", cpus=2)


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_linux_with_two_vcpus(boot, model):
    run_linux(boot, 2, "allowed: [0, 1]", cpus=2, model=model)
