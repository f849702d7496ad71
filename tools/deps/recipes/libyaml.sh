# libyaml for the kernel, and the same source for programs that run on the build machine.
# Only what reads a document: no emitter, no dumper.
unpack_into "$archive" "$SRC"
cp "$SRC/include/yaml.h" "$PREFIX/include/"

version='-DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 -DYAML_VERSION_PATCH=5 -DYAML_VERSION_STRING="0.2.5"'
archive_of() { # LIBRARY COMMAND...
	local library=$1 file
	shift
	mkdir -p "$library.o"
	for file in api reader scanner parser loader; do
		"$@" $version -w -O2 -I"$SRC/include" -c "$SRC/src/$file.c" -o "$library.o/$file.o"
	done
	ar rcs "$PREFIX/lib/$library.a" "$library.o"/*.o
}
archive_of libyaml $KERNEL_CC $KERNEL_CFLAGS
archive_of libyaml-host gcc
