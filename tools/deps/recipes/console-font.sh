# The glyphs of ASCII from a PC screen font of Debian's: 128 times 16 bytes, a byte for each
# line of eight pixels. The font's own order is that of its characters up to 127.
dpkg-deb --fsys-tarfile "$archive" |
	tar -xO ./usr/share/consolefonts/Lat15-Fixed16.psf.gz | gzip -dc >font.psf
# Header of PSF 1: 36 04, mode, bytes in a glyph.
[ "$(head -c 4 font.psf | od -An -tx1 | tr -d ' \n')" = 36040210 ] || fail "not the expected font"
head -c 2052 font.psf >glyphs
tail -c 2048 glyphs >"$PREFIX/lib/console-font.bin"
