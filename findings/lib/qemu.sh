# A bare 32-bit program, compiled from standard input, on Debian 12's QEMU. To be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"
lib=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
qemu_version="1:7.2+dfsg-7+deb12u18+b3"

bare_program() { # OUT FLAG...: an ELF file that Multiboot loaders take
	gcc -m32 -march=i686 -std=gnu17 -O2 -ffreestanding -fno-pic -no-pie -fno-stack-protector \
		-fcf-protection=none -fno-omit-frame-pointer -mgeneral-regs-only -nostdlib -static -Wall \
		-Wno-unused -Wno-return-type -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-Ttext=0x101000 \
		-Wl,--section-start=.multiboot=0x100000 -I"$lib" -x c - -x assembler-with-cpp "$lib/bare.S" -o "$1" "${@:2}"
}

# on_qemu PROGRAM ARGUMENT...: what it says on the debug port; at most two minutes.
on_qemu() {
	local program=$1
	shift
	debian_root bookworm "qemu-system-x86=$qemu_version"
	export -f in_root
	root=$root timeout -k 5 120 bash -c 'in_root "$@"' - /usr/bin/qemu-system-x86_64 \
		-L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -accel tcg,thread=multi \
		-nodefaults -display none -monitor none -no-reboot -debugcon stdio \
		-device isa-debug-exit,iobase=0xf4 -kernel "$program" "$@" ||
		[ $? = 1 ] # what isa-debug-exit ends with
}
