"""The same machine on Intel: guest programs and Linux on VMX, in Bochs.

Bochs is slow, so one boot runs several guest programs, each as a guest of its own on shared
CPUs. Each of the CPU models has something that the others lack: Arrandale has no x2APIC, no
XSAVE, no 1 GiB pages and no APIC virtualization.
"""

import re
import subprocess

import pytest

from tests.conftest import BUILD, CHECKED, ROOT, SAMPLES, make_image
from tests.system import tools_disk
from tests.system.terminal import Terminal
from tools.bochs import machine as bochs

MODELS = ["corei7_skylake_x", "corei5_arrandale_m520"]
MORE_MODELS = ["corei7_haswell_4770", "corei7_icelake_u", "tigerlake", "sapphire_rapids",
               "arrow_lake", "wildcat_lake"]

# Programs that run to their end by themselves, and with how many vCPUs.
PROGRAMS = {
    "apic": 2, "balloon_fuzz": 2, "boundaries": 1, "cpuid": 2, "cr_reserved": 1,
    "double_faults": 1, "extint": 2, "fpu_restore": 2, "hlt_if0": 2, "init_state": 2,
    "interrupt_once": 2, "interrupt_shadow": 2, "interrupt_storm": 2, "legacy": 2,
    "log_flood": 1, "mmio": 1, "msr_effects": 2, "msr_sweep": 1, "msr_table": 1, "nmi_iret": 2,
    "pci": 2, "pku": 2, "ports": 1, "rip_wrap": 1, "segments": 1, "sipi_races": 4, "smc": 2,
    "task_switch": 1, "virtio_hostile": 1, "umip": 1, "xsetbv": 2,
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

    def start(config, files, build=BUILD, **options):
        name = re.sub(r"\W+", "-", request.node.name)
        image = make_image(tmp_path / "disk.img", config, files, build)
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


def run_programs(boot, model, programs, build=BUILD):
    """Runs them side by side on one machine of 4 CPUs; each must end with status 0."""
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf" for name in programs}
    machine = boot(programs_config(programs), files, build=build, model=model, cpus=4, ips=IPS,
                   memory_mib=384 + 32 * len(programs))
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


@pytest.mark.parametrize("model, build", zip(MODELS, (BUILD, CHECKED)), ids=MODELS)
def test_guest_programs(boot, model, build):
    run_programs(boot, model, PROGRAMS, build)


@pytest.mark.long
@pytest.mark.parametrize("model", MORE_MODELS)
def test_guest_programs_on_more_models(boot, model):
    run_programs(boot, model, PROGRAMS)


def test_a_crash_is_confined(boot):
    """A triple fault, and a jump to where a reset begins, end their guests alone; the other goes
    on."""
    config = """
guests:
  - name: dies
    memory: 32 MiB
    boot: {kernel: "esp:/triple_fault.elf"}
    on_crash: stop
  - name: lives
    memory: 32 MiB
    boot: {kernel: "esp:/neighbour.elf"}
  - name: leaves
    cpus: {count: 2}
    memory: 32 MiB
    boot: {kernel: "esp:/bios.elf"}
    on_reboot: stop
    debug_exit: true
"""
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf"
             for name in ("triple_fault", "neighbour", "bios")}
    machine = boot(config, files, cpus=2)
    machine.expect(r"dies: error: crashed: vCPU 0: triple fault at RIP 0x", 120)
    machine.rewind(0)
    machine.expect(r"leaves: reset: .*port 0xcf9", 120)
    assert not machine.count(r"^leaves\| FAIL")
    machine.expect(r"^lives\| ", 60)
    machine.expect(r"^lives\| ", 60)
    assert not machine.count("panic:")


@pytest.mark.parametrize("model", MODELS)
def test_slices_end_from_outside(boot, model):
    """Two guests that never exit take turns on one CPU. Where the VMX-preemption timer is used,
    it is what ends their slices; Arrandale's counts wrongly, says Intel, and is left alone:
    there an interrupt does it, though they run with IF clear."""
    guests = ["one", "two"]
    config = "guests:" + "".join(f"""
  - name: {name}
    cpus: {{count: 1, allowed: [1]}}
    memory: 16 MiB
    boot: {{kernel: "esp:/hog.elf"}}
    debug_exit: true""" for name in guests) + "\n"
    machine = boot(config, {"hog.elf": ROOT / "build/guest/hog.elf"}, model=model, cpus=2)
    begin = machine.mark()
    for name in guests:
        machine.rewind(begin)
        machine.expect(rf"\] {name}: exited with status 0", 240)
    rounds = re.findall(r"^(one|two)\| round \d+$", machine.output, re.M)
    turns = sum(now != then for then, now in zip(rounds, rounds[1:]))
    assert len(rounds) == 40 and turns >= 10, rounds
    terminal = Terminal(machine, guests)
    for name in guests:
        exits = terminal.counters(name)[1][0]
        by, other = "exits.slice", "exits.host_interrupt"
        if model == "corei5_arrandale_m520":
            by, other = other, by
        assert exits.get(by, 0) >= 1000 > 10 * exits.get(other, 0), f"{name}: {exits}"


HOSTILE = """
host: {{housekeeping: [0, 1]}}
networks: [{{name: inner}}]
guests:
  - name: hostile
    cpus: {{count: 4}}
    memory: 32 MiB
    boot: {{kernel: "esp:/hostile.elf", cmdline: "seed={seed} operations={operations}"}}
    on_crash: stop
    on_reboot: stop
    debug_exit: true
    disks: [{{source: "ram:8 MiB"}}]
    nics: [{{network: inner}}]
  - name: neighbour
    memory: 16 MiB
    boot: {{kernel: "esp:/neighbour.elf"}}
    on_crash: stop
  - name: disk-neighbour
    memory: 16 MiB
    boot: {{kernel: "esp:/disk_neighbour.elf"}}
    on_crash: stop
    disks: [{{source: "ram:8 MiB"}}]
"""


def test_a_hostile_guest_hurts_itself_alone(boot):
    """test_hostile.py's guest, with as much as Bochs can do in a minute or so."""
    operations = 100_000
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf"
             for name in ("hostile", "neighbour", "disk_neighbour")}
    machine = boot(HOSTILE.format(seed=1, operations=operations), files, build=CHECKED, cpus=4,
                   ips=IPS)
    end = machine.expect(r"\] hostile: (?:error: )?((?:exited|crashed|stopped|reset|switched).*)\n",
                         LIMIT_S)
    assert end[1] == "exited with status 0"
    done = re.search(r"^hostile\| (\d+) operations, seed 1:", machine.output, re.M)
    assert int(done[1]) >= operations
    begin = machine.mark()
    for name in ("neighbour", "disk-neighbour"):
        machine.rewind(begin)
        machine.expect(rf"^{name}\| neighbour \d+$", 60)
    assert not machine.count(r"panic:|^\S+\| FAIL")
    listed = "\n".join(Terminal(machine, []).operator("list"))
    for name in ("neighbour", "disk-neighbour"):
        assert re.search(rf"^{name} +running ", listed, re.M), listed


DEVICES = """
networks: [{name: outside, uplink: nic0}]
guests:
  - name: disk
    memory: 32 MiB
    boot: {kernel: "esp:/virtio_blk.elf"}
    debug_exit: true
    on_crash: stop
    disks: [{source: "disk:pci:00:01.1/ata0-slave", serial: my disk}]
  - name: network
    memory: 32 MiB
    boot: {kernel: "esp:/virtio_arp.elf"}
    debug_exit: true
    on_crash: stop
    nics: [{network: outside}]
"""


def test_disk_and_network(boot, tmp_path):
    """The only devices that Bochs has, with interrupts by pins: a PIIX IDE disk, which cannot
    reach odd addresses, and an 82540EM."""
    disk = tmp_path / "data"
    disk.write_bytes(bytes(1 << 20))
    files = {f"{name}.elf": ROOT / f"build/guest/{name}.elf"
             for name in ("virtio_blk", "virtio_arp")}
    machine = boot(DEVICES, files, cpus=2, ips=IPS, data=disk, forward="")
    for name in ("disk", "network"):
        machine.rewind(0)
        machine.expect(rf"\] {name}: exited with status 0", 120)
    assert not re.findall(r"^\S+\| FAIL .*", machine.output, re.M)
    lines = "\n".join(Terminal(machine, []).operator("disks") +
                      Terminal(machine, []).operator("networks"))
    assert re.search(r"^ide1: .*\n.*errors 0\n.*resets 0, copied [1-9]", lines, re.M), lines
    assert re.search(r"^nic0 .*\n +received 1\d\d .*\n.*resets 0,", lines, re.M), lines
    written = disk.read_bytes()
    assert any(written[100 * 512:200 * 512]) and not any(written[:100 * 512])


MIB = 1 << 20
LINUX_S = 120  # for what the shell is asked to do
FORKS = 500


def linux_config(vcpus, placement, disks=(), cmdline=""):
    return f"""
guests:
  - name: alpha
    cpus: {{count: {vcpus}, {placement}}}
    memory: 256 MiB
    disks: [{", ".join(disks)}]
    boot:
      kernel: "esp:/vmlinuz"
      initrd: "esp:/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=alpha {cmdline}"
"""


def run_linux(boot, vcpus, placement, disks=(), cmdline="", **options):
    """To its shell, and some hundreds of programs from there. Returns the machine's terminal."""
    files = {"vmlinuz": SAMPLES / "vmlinuz", "initrd.gz": SAMPLES / "initrd.gz"}
    machine = boot(linux_config(vcpus, placement, disks, cmdline), files, ips=50_000_000,
                   **options)
    machine.expect(rf"alpha\| guest alpha ready: cpus={vcpus} ", LIMIT_S)
    terminal = Terminal(machine, ["alpha"])
    said = terminal.shell("alpha", f"n=0; while [ $n -lt {FORKS} ]; do n=$(expr $n + 1); done; "
                                   "echo forked $n | sed s/$/times/", LINUX_S)
    assert f"forked {FORKS}times" in said
    assert not machine.count("Call Trace")
    return terminal


def test_linux_to_its_shell(boot):
    """With nothing but the 8259 pair, and BARs where Linux, which asks no firmware, puts them."""
    terminal = run_linux(boot, 1, "pin: [1]", ['{source: "ram:8 MiB"}'],
                         "pci=noacpi,nomsi reboot=bios", cpus=2)
    said = terminal.shell("alpha", "dd if=/dev/vda of=/dev/null bs=64k count=16 2>&1; "
                                   "cat /proc/interrupts", LINUX_S)
    assert "16+0 records out" in said
    assert re.search(r"^ *\d+: +[1-9]\d* +XT-PIC .*virtio0", said, re.M), said
    terminal.machine.send("reboot -f\n")
    terminal.machine.expect(r"\] alpha: reset: the guest reset itself \(port 0xcf9\)", LINUX_S)


DATA_MIB = 16


def partitioned(directory):
    """A disk with partitions for tools, which are there, and for data; and where data begins."""
    tools = tools_disk.make(directory, ["fio", "mkfs.ext4"])
    begin_mib = 1 - -tools.stat().st_size // MIB
    disk = directory / "data"
    with open(disk, "wb") as made:
        made.truncate((begin_mib + DATA_MIB + 1) * MIB)
    bochs.whole_cylinders(disk)
    subprocess.run([tools_disk.find("sgdisk"), "-n", f"1:1M:+{begin_mib - 1}M", "-c", "1:tools",
                    "-n", f"2:{begin_mib}M:+{DATA_MIB}M", "-c", "2:data", disk], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["dd", f"if={tools}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc",
                    "status=none"], check=True)
    return disk, begin_mib


def test_linux_on_a_disk(boot, tmp_path):
    """Random writes that are verified, and a file system that the build machine finds in order,
    on partitions of the PIIX IDE disk."""
    disk, begin_mib = partitioned(tmp_path)
    disks = ["{source: 'part:tools', read_only: true}", "{source: 'part:data'}"]
    terminal = run_linux(boot, 1, "pin: [1]", disks, cpus=2, data=disk)
    terminal.shell("alpha", tools_disk.MOUNT, LINUX_S)
    said = terminal.shell("alpha", "/t/fio --name=small --filename=/dev/vdb --direct=1 "
                          "--ioengine=libaio --iodepth=8 --rw=randwrite --bs=4k --size=2M "
                          "--fsync=8 --verify=crc32c --randrepeat=0; echo status $?", LIMIT_S)
    assert re.search(r"^status 0$", said, re.M), said
    said = terminal.shell("alpha", "/t/mkfs.ext4 -q /dev/vdb && mkdir /d && mount /dev/vdb /d && "
                          "cp -r /bin /etc /lib /d && umount /d; echo status $?", LIMIT_S)
    assert re.search(r"^status 0$", said, re.M), said
    assert not terminal.machine.count("I/O error|EXT4-fs error|Call Trace")
    terminal.machine.stop()
    data = tmp_path / "data.ext4"
    subprocess.run(["dd", f"if={disk}", f"of={data}", "bs=1M", f"skip={begin_mib}",
                    f"count={DATA_MIB}", "status=none"], check=True)
    subprocess.run([tools_disk.find("e2fsck"), "-fn", data], check=True)
    busybox = subprocess.run([tools_disk.find("debugfs"), "-R", "cat /bin/busybox", data],
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    with open(tools_disk.find("busybox"), "rb") as original:
        assert busybox == original.read()


@pytest.mark.long
@pytest.mark.parametrize("model", MODELS)
def test_linux_with_two_vcpus(boot, model):
    run_linux(boot, 2, "allowed: [0, 1]", cpus=2, model=model)
