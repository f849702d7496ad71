# Debian packages of an exact version, unpacked in a temporary folder: what every script here
# starts with. Nothing is installed; apt is asked for its mirror alone, and works on lists and a status of its
# own. To be sourced. Ends with status 2 where a version has left the archive.
# With ROOTS=FOLDER what was unpacked is kept there, for the next script.
set -eu
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debian_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		sed -n '\@/debian/*$@{s@/*$@@;p;q}'
}

private_apt() {
	apt-get -q "$@" -oDir::State::Lists="$work/apt/lists" -oDir::State::status="$work/apt/status" \
		-oDir::Etc::sourcelist="$work/apt/sources.list" -oDir::Etc::sourceparts=/dev/null \
		-oDir::Cache="$work/apt" -oAPT::Sandbox::User=root -oDebug::NoLocking=1 \
		-oAcquire::Retries=3 >"$work/apt.log" 2>&1 ||
		{ tail -n 3 "$work/apt.log" >&2; echo "$* is not to be had" >&2; exit 2; }
}

# debian_root SUITE PACKAGE=VERSION...: these and all that they depend on, below $root.
debian_root() {
	local suite=$1 deb
	shift
	root=${ROOTS:-$work}/$(echo "$*" | tr -c 'a-z0-9.\n' _)
	[ ! -d "$root" ] || return 0
	mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$root.new"
	: >"$work/apt/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" \
		>"$work/apt/sources.list"
	private_apt update
	private_apt install --download-only -y --no-install-recommends "$@"
	for deb in "$work"/apt/archives/*.deb; do dpkg -x "$deb" "$root.new"; done
	rm -rf "$work/apt"
	mv "$root.new" "$root"
}

# in_root PROGRAM ARGUMENT...: a program of $root with its own loader and libraries.
in_root() {
	local program=$1
	shift
	QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu "$root/lib64/ld-linux-x86-64.so.2" \
		--library-path "$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu" \
		"$root$program" "$@"
}

# as_seen OUTPUT: standard input must be what was seen, to the letter.
as_seen() {
	if diff -u --label described --label seen - "$1" >"$work/diff"; then
		cat "$1"
		echo "as described"
	else
		cat "$work/diff"
		echo "it behaves otherwise now"
		exit 1
	fi
}
