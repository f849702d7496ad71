# zlib's inflate for the kernel, and the same source for programs that run on the build machine.
# Z_SOLO: it calls no C library, and its users bring their own memory. Z_PREFIX keeps its names
# apart from the kernel's own crc32. Nothing that compresses, and no files.
unpack_into "$archive" "$SRC"
(printf '#define Z_SOLO\n#define Z_PREFIX\n'; cat "$SRC/zconf.h") >"$PREFIX/include/zconf.h"
cp "$SRC/zlib.h" "$PREFIX/include/"

archive_of() { # LIBRARY COMMAND...
	local library=$1 file
	shift
	mkdir -p "$library.o"
	for file in adler32 crc32 inffast inflate inftrees zutil; do
		"$@" -w -O2 -DZ_SOLO -DZ_PREFIX -I"$SRC" -c "$SRC/$file.c" -o "$library.o/$file.o"
	done
	ar rcs "$PREFIX/lib/$library.a" "$library.o"/*.o
}
archive_of libz $KERNEL_CC $KERNEL_CFLAGS
archive_of libz-host gcc
