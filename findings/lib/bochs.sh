# A bare 32-bit program, compiled from standard input, on Debian sid's Bochs 3.1. To be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"
lib=$(realpath "$(dirname "${BASH_SOURCE[0]}")")

bare_program() { # OUT FLAG...: the image of a disk that BIOS boots
	gcc -m32 -march=i686 -std=gnu17 -O2 -ffreestanding -fno-pic -no-pie -fno-stack-protector \
		-fcf-protection=none -fno-omit-frame-pointer -mgeneral-regs-only -nostdlib -static -Wall \
		-Wno-unused -Wno-return-type -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-Ttext=0x11000 \
		-Wl,--section-start=.multiboot=0x10000 -I"$lib" -x c - -x assembler-with-cpp \
		"$lib/bare.S" -o "$work/elf" "${@:2}"
	objcopy -O binary "$work/elf" "$work/flat"
	gcc -m32 -c "-DENTRY=0x$(nm "$work/elf" | sed -n 's/ T _start$//p')" "$lib/disk.S" -o "$work/disk.o"
	ld -m elf_i386 -Ttext=0x7c00 --oformat=binary -o "$1" "$work/disk.o"
	cat "$work/flat" >>"$1"
	truncate -s 5160960 "$1" # ten cylinders
}

# on_bochs IMAGE MODEL CPUS: what it says on the debug port; at most two minutes.
on_bochs() {
	debian_root sid bochs=3.1+dfsg-1 bochs-term=3.1+dfsg-1
	local share=$root/usr/share/bochs libs=$root/usr/lib/x86_64-linux-gnu
	cat >"$work/bochsrc" <<C
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, parallel=0
config_interface: textconfig
display_library: term
memory: guest=64, host=64
romimage: file=$share/BIOS-bochs-latest, options=fastboot
vgaromimage: file=$share/VGABIOS-lgpl-latest
pci: enabled=1, chipset=i440fx
vga: extension=none, update_freq=1
cpu: model=$2, count=$3, ips=10000000, reset_on_triple_fault=0, ignore_bad_msrs=0
clock: sync=none, time0=utc
boot: disk
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=$1, mode=flat
ata1: enabled=0
port_e9_hack: enabled=1
log: $work/bochs.log
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
C
	( set +e # whatever comes of it, it ends with 1
	  export LTDL_LIBRARY_PATH=$libs/bochs/plugins BOCHS_PLUGIN_DIR=$libs/bochs/plugins BXSHARE=$share
	  loader=$root/usr/lib64/ld-linux-x86-64.so.2
	  [ -e "$loader" ] || loader=$libs/ld-linux-x86-64.so.2
	  timeout -k 5 120 "$loader" --library-path "$libs:$libs/pulseaudio" \
		"$root/usr/bin/bochs-bin" -q -f "$work/bochsrc" </dev/null 2>/dev/null ) |
		grep -a '^> ' || true # what the program says begins so; the rest is Bochs's own
}
