"""LVM2's own tools on loop devices, for tests that compare Bulkhead's LVM code with them.

Nothing is activated and nothing asks the device-mapper, which the build machine's kernel may
not have. Not a test: those are test_lvm*.py.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build/lvmtool"

CONFIG = """\
devices {{
    use_devicesfile = 0
    obtain_device_list_from_udev = 0
    external_device_info_source = "none"
    hints = "none"
    scan_lvs = 0
    filter = [ {accept}, "r|.*|" ]
    global_filter = [ {accept}, "r|.*|" ]
}}
global {{ activation = 0 use_lvmpolld = 0 use_lvmlockd = 0 locking_dir = "{folder}/lock" }}
activation {{ udev_sync = 0 udev_rules = 0 monitoring = 0 }}
backup {{ backup = 0 archive = 0 }}
local {{ system_id = "" }}
"""


def missing():
    """Why these tests can't run here, or None."""
    if os.geteuid() != 0:
        return "loop devices are root's"
    if not shutil.which("lvm") or not shutil.which("losetup"):
        return "lvm2 is not installed"
    found = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    return found.stderr.strip() or "no loop device" if found.returncode else None


class Disks:
    """Image files on loop devices, and LVM2's tools, which see these and nothing else."""

    def __init__(self, folder, sizes_mib, partition_mib=0):
        """With `partition_mib`, the first disk has a GPT, and one partition of this size at
        1 MiB, which is what LVM2 sees of it."""
        self.folder = pathlib.Path(folder)
        self.images, self.devices, self.starts = [], [], []
        for number, size in enumerate(sizes_mib):
            image = self.folder / f"disk{number}.img"
            with open(image, "wb") as file:
                file.truncate(size << 20)
            self.images.append(image)
            part = []
            if number == 0 and partition_mib:
                subprocess.run(["sgdisk", "-n", f"1:1M:+{partition_mib}M", "-t", "1:8e00", image],
                               check=True, stdout=subprocess.DEVNULL)
                part = ["-o", str(1 << 20), "--sizelimit", str(partition_mib << 20)]
            self.starts.append(1 << 20 if part else 0)
            self.devices.append(subprocess.run(
                ["losetup", *part, "-f", "--show", image], capture_output=True, text=True,
                check=True).stdout.strip())
        (self.folder / "lock").mkdir()
        accept = ", ".join(f'"a|^{device}$|"' for device in self.devices)
        (self.folder / "lvm.conf").write_text(
            CONFIG.format(accept=accept, folder=self.folder), encoding="utf-8")
        self._environment = dict(os.environ, LVM_SYSTEM_DIR=str(self.folder),
                                 LVM_SUPPRESS_FD_WARNINGS="1", DM_DISABLE_UDEV="1", LC_ALL="C")

    def close(self):
        for device in self.devices:
            subprocess.run(["losetup", "-d", device], check=False)

    def lvm(self, *words, check=True):
        """Runs one of LVM2's commands; returns what it printed."""
        done = subprocess.run(["lvm", *map(str, words)], capture_output=True, text=True,
                              check=False, env=self._environment, cwd=self.folder)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def shell(self, *lines):
        """Runs several commands in one process; returns all that was said, errors too."""
        done = subprocess.run(["lvm"], input="".join(f"{line}\n" for line in lines), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env=self._environment, cwd=self.folder)
        return done.stdout

    def create(self, name, *words):
        """A volume by LVM2."""
        self.lvm("lvcreate", "-an", "-Zn", "-Wn", "-n", name, *words)

    def tool(self, *words, images=None, status=0):
        """Runs lvmtool on the images; returns what it printed, errors too. `status` is what it
        may exit with, one or several."""
        done = subprocess.run([TOOL, *map(str, words), *(images or self.images)],
                              capture_output=True, text=True, check=False)
        assert done.returncode in (status if isinstance(status, tuple) else (status,)), \
            f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def tool_bytes(self, *words):
        """The same, of a command that prints a volume's bytes."""
        return subprocess.run([TOOL, *words, *self.images], capture_output=True,
                              check=True).stdout

    def read(self, name):
        """A volume's bytes, put together from LVM2's report of where its extents are."""
        rows = self.lvm("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o",
                        "pv_name,pe_start,vg_extent_size")
        rows = [row.split() for row in rows.splitlines()]
        starts = {device: int(start) for device, start, _ in rows}
        extent = int(rows[0][2])
        data = bytearray()
        for segment in self.map_of_lvm2()[name]:
            step = segment[3] if segment[2] > 1 else extent
            for offset in range(0, segment[1] * extent, step):
                device, at = self._place(segment, starts, extent, offset)
                data += self._read_at(device, at, step)
        return bytes(data)

    @staticmethod
    def _place(segment, starts, extent, offset):
        """Where byte `offset` of a striped or linear segment is: device and byte there."""
        _, _, stripes, stripe_bytes, areas = segment
        row, inside = divmod(offset, stripe_bytes) if stripes > 1 else (0, offset)
        device, extents = areas[row % stripes].rsplit(":", 1)
        start = starts[device] + int(extents.split("-")[0]) * extent
        return device, start + (row // stripes * stripe_bytes if stripes > 1 else 0) + inside

    def _read_at(self, device, offset, count):
        """From the image, as a device's own cache may be older."""
        number = self.devices.index(device)
        with open(self.images[number], "rb") as file:
            file.seek(offset + self.starts[number])
            return file.read(count)

    def map_of_lvm2(self):
        """{volume: [(first extent, extents, stripes, stripe bytes, [device:first-last])]}."""
        report = json.loads(self.lvm(
            "lvs", "--segments", "--units", "b", "--nosuffix", "--reportformat", "json", "-o",
            "vg_name,lv_name,seg_start_pe,seg_size_pe,stripes,stripe_size,seg_pe_ranges"))
        volumes = {}
        for row in report["report"][0]["seg"]:
            volumes.setdefault(f"{row['vg_name']}/{row['lv_name']}", []).append(
                (int(row["seg_start_pe"]), int(row["seg_size_pe"]), int(row["stripes"]),
                 int(row["stripe_size"]), row["seg_pe_ranges"].split()))
        return {name: sorted(segments) for name, segments in volumes.items()}

    def map_of_tool(self, listed=None):
        """The same, as Bulkhead reads it: from what `list` printed."""
        devices = {str(image): device for image, device in zip(self.images, self.devices)}
        volumes = {}
        for line in (listed or self.tool("list")).splitlines():
            words = line.split()
            if words[0] != "segment":
                continue
            areas = []
            for area in words[7:]:
                image, extents = area.rsplit(":", 1)
                areas.append(f"{devices[image]}:{extents}")
            volumes.setdefault(words[1], []).append(
                (int(words[2]), int(words[3]), int(words[5]), int(words[6]), areas))
        return {name: sorted(segments) for name, segments in volumes.items()}

    def groups(self):
        """{group: (seqno, free extents)} of LVM2's."""
        report = json.loads(self.lvm("vgs", "--reportformat", "json", "-o",
                                     "vg_name,vg_seqno,vg_free_count"))
        return {row["vg_name"]: (int(row["vg_seqno"]), int(row["vg_free_count"]))
                for row in report["report"][0]["vg"]}

    def agree(self, group="vg0"):
        """LVM2 finds nothing wrong, and both see the same volumes in the same places."""
        self.lvm("vgck", group)
        listed = self.tool("list")
        assert self.map_of_tool(listed) == self.map_of_lvm2()
        seqno, free = self.groups()[group]
        assert re.search(rf"^vg {group} .* seqno {seqno} .* free {free}$", listed, re.M), listed
