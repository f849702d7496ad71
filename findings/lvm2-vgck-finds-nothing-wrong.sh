#!/bin/bash
# lvm2 2.03.16 (Debian 12's lvm2 2.03.16-2): vgck exits with 0 on a group whose disks disagree,
# and on one whose copy of the metadata is damaged, and mends neither.
#
# One would expect a consistency check to fail where metadata is inconsistent (vgck(8): "checks
# LVM metadata for consistency"), so that `vgck GROUP && ...` in a script protects something.
# lvm2 commits disk by disk, so power that goes between two of them leaves such a group.
#
# Seen: a warning on stderr that names `vgck --updatemetadata`, exit status 0, and both disks as
# they were; again at each call. The other commands (vgs, lvs) use the newer copy in the same way. What
# does mend it is --updatemetadata, or the next command that changes the group.
#
#   seen: stale: exit 0, seqno 2 stays; damaged: exit 0, not a byte is mended; --updatemetadata: exit 0,
#   seqno 4, and then the two agree
#
# Needs root, losetup. Two image files of 32 MiB in a temporary folder are the disks.
. "$(dirname "$0")/lib/debian.sh"
debian_root bookworm lvm2=2.03.16-2
dir=$work/disks
mkdir "$dir"
cd "$dir"
loops=()
trap 'for l in "${loops[@]}"; do losetup -d "$l"; done; rm -rf "$work"' EXIT

truncate -s 32M one.img two.img
for image in one.img two.img; do loops+=("$(losetup -f --show $image)"); done
one=${loops[0]} two=${loops[1]}
mkdir lock
cat >lvm.conf <<C
devices {
	use_devicesfile = 0 obtain_device_list_from_udev = 0 external_device_info_source = "none"
	hints = "none" scan_lvs = 0 filter = [ "a|^$one$|", "a|^$two$|", "r|.*|" ]
	global_filter = [ "a|^$one$|", "a|^$two$|", "r|.*|" ]
}
global { activation = 0 use_lvmpolld = 0 use_lvmlockd = 0 locking_dir = "$dir/lock" }
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
backup { backup = 0 archive = 0 }
local { system_id = "" }
C
export LVM_SYSTEM_DIR=$dir LVM_SUPPRESS_FD_WARNINGS=1 DM_DISABLE_UDEV=1
lvm() { in_root /sbin/lvm "$@"; }
create() { lvm lvcreate -an -Zn -Wn -l 1 -n "$1" group >/dev/null 2>&1; sync; }
put() { dd if="$1" of="$two" bs=1M conv=fsync,notrunc status=none; blockdev --flushbufs "$two"; }
seqno() { lvm pvck --dump metadata "$1" 2>/dev/null | sed -n 's/^seqno = //p'; }
vgck() { status=0; lvm vgck "$@" 2>said >/dev/null || status=$?; }
is() { echo "$*" >>"$work/seen"; } # WHAT VALUE

lvm vgcreate group "$one" "$two" >/dev/null 2>&1
create a
cp two.img old.img
create b
is "seqno on both:" "$(seqno "$one") $(seqno "$two")"

put old.img # as if power had gone between the two commits of `create b`
vgck group
is "stale: vgck exits with:" $status
is "stale: vgck warns:" "$(grep -c 'Inconsistent metadata' said)"
is "stale: seqno then:" "$(seqno "$one") $(seqno "$two")"

python3 - old.img bad.img <<'P' # one bit of the text of the copy is turned
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b"seqno = 2")
data[at + 8] ^= 1
open(sys.argv[2], "wb").write(data)
P
put bad.img
vgck group
is "damaged: vgck exits with:" $status
is "damaged: vgck warns of a checksum:" "$(grep -qi checksum said && echo yes)"
cmp -s bad.img "$two" && same=yes || same=no
is "damaged: the disk is as it was:" $same

put old.img
vgck --updatemetadata group
is "--updatemetadata exits with:" $status
is "seqno then:" "$(seqno "$one") $(seqno "$two")"
vgck group
is "warnings then:" "$(grep -c Inconsistent said || true)"
as_seen "$work/seen" <<'S'
seqno on both: 3 3
stale: vgck exits with: 0
stale: vgck warns: 1
stale: seqno then: 3 2
damaged: vgck exits with: 0
damaged: vgck warns of a checksum: yes
damaged: the disk is as it was: yes
--updatemetadata exits with: 0
seqno then: 4 4
warnings then: 0
S
