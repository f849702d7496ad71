# newlib's libc without floating point: the kernel never touches SSE or x87 registers.
# The objects that need floating point cannot be built then; newlib-absent.txt lists exactly
# these, and any other failure is an error. libm is left out.
dpkg-deb --fsys-tarfile "$archive" | tar -xO --wildcards './usr/src/newlib/newlib-*.tar.xz' |
	tar -xJ -C "$SRC" --strip-components=1

CC="gcc -nostdinc -isystem $(gcc -print-file-name=include) -D__ELF__"
CC+=" -U__linux__ -U__linux -Ulinux -U__gnu_linux__ -U__unix__ -U__unix -Uunix"
CFLAGS="-O2 -g0 -w -ffunction-sections -fdata-sections -ffreestanding -fno-builtin-malloc"
CFLAGS+=" -mno-red-zone -mcmodel=kernel -fno-pic -fno-stack-protector -fno-omit-frame-pointer"
CFLAGS+=" -fcf-protection=none -mgeneral-regs-only -D__DYNAMIC_REENT__"
CFLAGS+=" -Wno-implicit-function-declaration"

"$SRC/newlib/configure" --host=x86_64-elf --build=x86_64-linux-gnu --prefix="$PREFIX" \
	--disable-multilib --disable-newlib-supplied-syscalls \
	--enable-newlib-retargetable-locking --enable-newlib-io-c99-formats \
	--enable-newlib-io-long-long --disable-newlib-io-float \
	--disable-newlib-io-long-double --disable-newlib-mb --disable-newlib-wide-orient \
	--enable-newlib-global-atexit --disable-newlib-atexit-dynamic-alloc \
	--disable-nls --disable-dependency-tracking \
	CC="$CC" CFLAGS="$CFLAGS" CCASFLAGS="$CFLAGS" AS=as AR=ar RANLIB=ranlib

make -k -j2 libc.a CC="$CC -I$WORK/targ-include -I$SRC/newlib/libc/include" 2>&1 | tee make.log || true
sed -nE 's@^make.*: \*\*\* \[.*: libc/(.*)\.o\] Error.*@\1@p' make.log | LC_ALL=C sort >absent.txt
diff "$HERE/recipes/newlib-absent.txt" absent.txt ||
	fail 'the objects that did not build are not the known ones that need floating point'

# The x86-64 memcpy and memset use weakly ordered stores (MOVNTI) without a fence: left out.
find libc -name '*.o' ! -path '*/x86_64/libc_a-mem*' | sort | xargs ar rcs "$PREFIX/lib/libc.a"
cp -r "$SRC/newlib/libc/include/." targ-include/. "$PREFIX/include/"
# newlib's <stdatomic.h> lacks the types of <stdint.h> that it uses; the compiler's is complete.
rm "$PREFIX/include/stdatomic.h"
