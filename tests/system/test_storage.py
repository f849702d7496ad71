"""Linux guests on the machine's disks: NVMe, AHCI and virtio in one machine, by their own
drivers. Data is what was written, limits hold, and a power cut loses nothing that a flush has
acknowledged."""

import hashlib
import random
import re
import subprocess
import time

import pytest

from tests.conftest import LINUX, housekeeping, make_image
from tests.system import tools_disk, write_log
from tests.system.terminal import Terminal
from tools.qemu.machine import Machine

BOOT_S = 240
DISK_MIB = 64

# Disks by their serial numbers, which QEMU is told; io's are vdb, vdc ... in this order.
DEVICES = {"d-nvme": "nvme", "d-ahci": "ide-hd,bus=ide.1", "d-virtio": "virtio-blk-pci"}

# What nobody should have to say.
TROUBLE = r"I/O error|EXT4-fs error|Call Trace|until its driver resets it|panic:"

# ext4 on a disk (the argument: vdb), filled, then files written one after the other and made sure
# of; only the last KEEP stay. Says what is safe once it is.
KEEP = 20
WORK = f"""\
#!/bin/sh
/t/mkfs.ext4 -q /dev/$1 && mkdir /tmp/$1 && mount /dev/$1 /tmp/$1 || exit
dd if=/dev/zero of=/tmp/$1/full bs=1M count=48 conv=fsync 2>/dev/null
n=0
while n=$((n + 1)); do
	dd if=/dev/urandom of=/tmp/$1/$n bs=1k count=$((n * 37 % 61 + 1)) conv=fsync 2>/dev/null
	set -- $1 $(md5sum </tmp/$1/$n)
	echo "kept $1 $n $2"
	rm -f /tmp/$1/$((n - {KEEP}))
done
"""


def document(disks, cpus):
    """A machine with one guest, io, which has the disk with tools and `disks`; `cpus` are the
    hypervisor's own."""
    lines = "".join(f"      - {{{disk}}}\n" for disk in disks)
    return f"""
host: {{housekeeping: {cpus}}}
guests:
  - name: io
    cpus: {{count: 2}}
    memory: 256 MiB
    disks:
      - {{source: "disk:tools", read_only: true}}
{lines}
    boot:
      kernel: "esp:/samples/vmlinuz"
      initrd: "esp:/samples/initrd.gz"
      cmdline: "console=ttyS0 quiet bulkhead.name=io"
"""


def machine(directory, disks, cpus, backends, programs, scripts=()):
    """A machine with these options of QEMU for the disks' backends; not yet started."""
    tools = tools_disk.make(directory, programs, scripts)
    extra = ["-drive", f"if=none,id=tools,format=raw,readonly=on,file={tools}",
             "-device", "virtio-blk-pci,drive=tools,serial=tools", *backends]
    for name, device in DEVICES.items():
        extra += ["-device", f"{device},drive={name},serial={name}"]
    image = make_image(directory / "storage.img", document(disks, cpus), LINUX)
    return Machine(image, name=f"storage-{len(disks)}", limit_s=900, extra=extra)


def guest_of(started):
    """The terminal of a machine whose guest is up, with the tools mounted."""
    started.expect(r"^io\| guest io ready: .*$", BOOT_S)
    terminal = Terminal(started, ["io"])
    terminal.shell("io", tools_disk.MOUNT)
    return terminal


# ---- one machine for all but power cuts ----

# Low enough for a busy build machine to reach; tests/unit has how exact they are.
LIMIT_IOPS = 50
LIMIT_BYTES = 1 << 20


@pytest.fixture(scope="module", name="io", params=housekeeping("[0, 1]"))
def io_(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("storage")
    disks = ["source: 'disk:d-nvme', serial: one, queues: 2",
             "source: 'disk:d-ahci', cache: write-back",
             "source: 'disk:d-virtio', cache: write-back",
             f"source: 'ram:16 MiB', limits: {{iops: {LIMIT_IOPS}, iops_burst: {LIMIT_IOPS}}}",
             "source: 'ram:16 MiB', limits: {bandwidth: 1 MiB, bandwidth_burst: 1 MiB}"]
    backends = []
    for name in DEVICES:
        file = directory / f"{name}.img"
        with open(file, "wb") as made:
            made.truncate(DISK_MIB << 20)
        backends += ["-drive", f"if=none,id={name},format=raw,discard=unmap,file={file}"]
    with machine(directory, disks, request.param, backends, ["fio"]) as started:
        yield guest_of(started)


def disk_counters(terminal):
    return terminal.counters("io", "disk")[1]


def fio(terminal, options, timeout_s=240):
    """Runs fio; its output, when it ended well."""
    said = terminal.shell("io", f"/t/fio --ioengine=libaio --direct=1 {options}\necho status $?",
                          timeout_s)
    assert re.search(r"^status 0$", said, re.M), said
    assert not re.search(TROUBLE, terminal.machine.output)
    return said


def test_disks_are_as_the_document_says(io):
    said = io.shell("io", "cat /sys/block/vd*/ro; echo; cat /sys/block/vd*/serial; echo; "
                          "cat /sys/block/vd*/queue/write_cache; ls /sys/block/vdb/mq")
    words = said.split("\n")
    assert [line for line in words if line in ("0", "1")][:6] == ["1", "0", "0", "0", "0", "0"]
    assert "disk0onedisk2disk3disk4disk5" in said
    assert re.findall(r"^write (\w+)$", said, re.M) == ["through", "through", "back", "back",
                                                        "through", "through"]
    assert re.search(r"^0 +1$", said, re.M)


def test_random_writes_with_flushes_are_what_was_written(io):
    before = disk_counters(io)
    fio(io, "--rw=randwrite --bsrange=512-64k --blockalign=512 --size=6M --iodepth=16 "
            "--fsync=16 --verify=crc32c --verify_fatal=1 "
            "--name=one --filename=/dev/vdb --name=two --filename=/dev/vdc "
            "--name=three --filename=/dev/vdd")
    for at in (1, 2, 3):
        moved = {key: value - before[at][key] for key, value in disk_counters(io)[at].items()}
        assert moved["bytes_written"] >= 6 << 20 and moved["bytes_read"] >= 6 << 20
        assert moved["errors"] == 0
        assert moved["bytes_copied"] == 0  # the disk reads and writes the guest's own pages
    # A disk that has no write cache as its guest sees it is asked for no flush.
    assert disk_counters(io)[1]["flushes"] == 0
    for at in (2, 3):
        assert disk_counters(io)[at]["flushes"] > before[at]["flushes"]


def test_many_at_once_cost_few_exits(io):
    before = disk_counters(io)[1]
    fio(io, "--rw=randread --bs=4k --size=32M --io_size=8M --iodepth=32 "
            "--iodepth_batch=8 --iodepth_batch_complete_max=32 --name=deep --filename=/dev/vdb")
    after = disk_counters(io)[1]
    requests = after["reads"] - before["reads"]
    exits = sum(after[key] - before[key] for key in ("kicks", "interrupts"))
    assert requests >= 2048
    assert exits / requests <= 0.25, f"{exits} for {requests}"


# The number of each limited disk, and how many of its units a second it may use.
LIMITED = {"iops": (4, 4096, LIMIT_IOPS), "bandwidth": (5, 1, LIMIT_BYTES)}


def test_limits_are_kept(io):
    before = disk_counters(io)
    said = fio(io, "--rw=randread --iodepth=8 --time_based --runtime=4 "
                   "--name=iops --filename=/dev/vde --bs=4k "
                   "--name=bandwidth --filename=/dev/vdf --bs=64k --minimal")
    after = disk_counters(io)
    done = [line.split(";") for line in said.split("\n") if line.startswith("3;fio-")]
    read = {fields[2]: (int(fields[5]) << 10, int(fields[8]) / 1000) for fields in done}
    for name, (disk, unit, rate) in LIMITED.items():
        count, seconds = read[name][0] / unit, read[name][1]
        # What a full bucket held, and what came into it.
        assert count < 1.02 * (rate + rate * seconds), name
        # On a busy build machine the guest may not get to ask for all of it. But nothing of it is
        # held back before the bucket is empty.
        if after[disk]["throttled"] > before[disk]["throttled"]:
            assert count > 0.9 * rate, name


def test_discards_reach_the_disk(io):
    before = disk_counters(io)
    io.shell("io", "for d in vdb vdc vdd; do blkdiscard -o 1048576 -l 1048576 /dev/$d; done")
    for at in (1, 2, 3):
        assert disk_counters(io)[at]["discards"] > before[at]["discards"]
        assert disk_counters(io)[at]["errors"] == 0


def test_what_cannot_be_is_refused_and_harmless(io):
    said = io.shell("io", "dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct; "
                          "dd if=/dev/vdb of=/dev/null bs=4k skip=16383 count=9 iflag=direct")
    assert "1+0 records in" in said
    assert re.search(r"read-only|not permitted|Read-only", said), said
    fio(io, "--rw=read --bs=64k --size=1M --name=after --filename=/dev/vdb")


# ---- power cuts ----

CUTS = 8


def whole_file(image, name):
    """A file of an ext4 image, or None."""
    done = subprocess.run([tools_disk.find("debugfs"), "-R", f"cat /{name}", image], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return None if b"File not found" in done.stderr else done.stdout


def check_disk(image, safe):
    """The file system is sound, and what was said to be safe is there."""
    fsck = tools_disk.find("e2fsck")
    replay = subprocess.run([fsck, "-fp", image], check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert replay.returncode in (0, 1), replay.stdout
    subprocess.run([fsck, "-fn", image], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    for number, digest in safe:
        content = whole_file(image, number)
        assert content is not None, f"file {number} is lost"
        assert hashlib.md5(content).hexdigest() == digest, f"file {number} has changed"


class Keeper:
    """Notes what the guest says is safe, and how long the disk's log was by then at most."""

    def __init__(self, started, directory):
        self.machine, self.directory = started, directory
        self.safe = {}  # disk: [(length of its log, number, digest)]

    def watch(self, seconds):
        seen, end = set(), time.monotonic() + seconds
        while time.monotonic() < end:
            for disk, number, digest in re.findall(r"kept (vd\w) (\d+) ([0-9a-f]{32})$",
                                                   self.machine.output, re.M):
                if (disk, number) not in seen:
                    seen.add((disk, number))
                    name = list(DEVICES)[ord(disk[2]) - ord("b")]
                    length = (self.directory / f"{name}.log").stat().st_size
                    self.safe.setdefault(name, []).append((length, int(number), digest))
            time.sleep(0.02)


@pytest.mark.parametrize("cpus", housekeeping("[0]"))
def test_power_cuts_lose_nothing_acknowledged(tmp_path, cpus):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print("seed", seed)  # shown with a failure
    # QEMU 7.2's NVMe and AHCI take FUA, and do not heed it; our virtio driver flushes instead.
    disks = ["source: 'disk:d-nvme', cache: write-back",
             "source: 'disk:d-ahci', cache: write-back", "source: 'disk:d-virtio'"]
    backends = sum((write_log.backend(tmp_path, name, DISK_MIB) for name in DEVICES), [])
    with machine(tmp_path, disks, cpus, backends, ["mkfs.ext4"], [("work", WORK)]) as started:
        terminal = guest_of(started)
        keeper = Keeper(started, tmp_path)
        terminal.keyboard("io")
        started.send("for d in vdb vdc vdd; do /t/work $d & done\n")
        for name in "vdb", "vdc", "vdd":
            started.rewind(0)
            started.expect(rf"kept {name} 1 ", 120)
        keeper.watch(chance.uniform(8, 12))
        assert not re.search(TROUBLE, started.output)
    for name in DEVICES:
        log, safe = write_log.WriteLog(tmp_path / f"{name}.log"), keeper.safe[name]
        assert len(safe) > 5, f"{name}: only {len(safe)} files were written"
        cuts = sorted(chance.randint(safe[0][0], len(log.data)) for _ in range(CUTS))
        image = tmp_path / "after.img"
        for cut, disk in zip(cuts, log.disks_after_cuts(DISK_MIB << 20, cuts, chance)):
            image.write_bytes(disk)
            kept = [(number, digest) for length, number, digest in safe if length <= cut]
            check_disk(image, kept[-KEEP // 2:])
