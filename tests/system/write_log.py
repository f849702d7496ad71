"""Power cuts, after the fact. QEMU's blklogwrites writes down what reaches a disk, in order, with
its flushes; here a disk is made as it may be after a cut at any place in that log: everything
before the last flush, and of what came after it whatever chance leaves, sector by sector.

The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper).
"""

import struct

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4
HEADER = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of a mark


def backend(directory, name, mebibytes, **cache):
    """QEMU's options for an empty disk `name` with a log; both files are in `directory`."""
    image, log = directory / f"{name}.img", directory / f"{name}.log"
    for file, size in ((image, mebibytes << 20), (log, 0)):
        with open(file, "wb") as made:
            made.truncate(size)
    return ["-blockdev", f"driver=file,filename={image},node-name={name}-file",
            "-blockdev", f"driver=file,filename={log},node-name={name}-log-file",
            "-blockdev", f"driver=raw,file={name}-log-file,node-name={name}-log",
            "-blockdev", f"driver=blklogwrites,file={name}-file,log={name}-log,"
                         f"log-sector-size={SECTOR},node-name={name}"]


class WriteLog:
    """A log, read as far as it is whole."""

    def __init__(self, path):
        self.data = path.read_bytes()
        self.entries = []  # (end of the entry in the log, flags, sector, place of data, sectors)
        at = SECTOR  # behind the superblock, which is written at flushes only
        while at + SECTOR <= len(self.data):
            sector, sectors, flags, _ = HEADER.unpack_from(self.data, at)
            if not sectors and not flags:
                break
            place = at + SECTOR
            at = place + (0 if flags & DISCARD else sectors * SECTOR)
            if at > len(self.data):
                break
            self.entries.append((at, flags, sector, place, sectors))

    def _write(self, disk, entry, chance=None):
        _, flags, sector, place, sectors = entry
        if flags & DISCARD:
            return
        torn = chance and chance.random() < 0.5
        if chance and not torn and chance.random() < 0.5:
            return
        for i in range(sectors):
            if not torn or chance.random() < 0.5:
                at = place + i * SECTOR
                start = (sector + i) * SECTOR
                disk[start:start + SECTOR] = self.data[at:at + SECTOR]

    def disks_after_cuts(self, size, cuts, chance):
        """For each of `cuts`, lengths of the log in ascending order: the disk's bytes."""
        disk, done = bytearray(size), 0
        for cut in cuts:
            before = sum(1 for entry in self.entries if entry[0] <= cut)
            flushed = max((i + 1 for i in range(before) if self.entries[i][1] & FLUSH),
                          default=0)
            for entry in self.entries[done:flushed]:
                self._write(disk, entry)
            done = max(done, flushed)
            left = bytearray(disk)
            for entry in self.entries[done:before]:
                self._write(left, entry, None if entry[1] & FUA else chance)
            yield left
