#!/bin/bash
# newlib 4.5.0 (Debian's newlib-source 4.5.0.20241231-1): strtok_r() leaves NULL in the saved pointer with the
# last word.
#
# One would expect what glibc does: that the saved pointer is behind the word that was just returned, be it
# at the end of the string. Programs read the rest of a line there, once they have its first words. POSIX
# says only that the next call goes on from it.
#
# Seen: as soon as a word ends with the string and not with a separator, the pointer is NULL. Who prints it
# or asks for its length is undone, and only where the line has no more words.
#
# Needs gcc, xz. newlib's function is built from its own source, beside the one of the C library here.
. "$(dirname "$0")/lib/debian.sh"
version=4.5.0.20241231-1
debian_root trixie newlib-source=$version
cd "$work"
tar -xf "$root"/usr/src/newlib/newlib-*.tar.xz --strip-components=4 --wildcards \
	'*/libc/string/strtok_r.c'

cat >words.c <<'C'
#include <stdio.h>
#include <string.h>
char *__strtok_r_of_newlib(char *, const char *, char **, int);

static char *newlib(char *line, const char *separators, char **rest)
{
	return __strtok_r_of_newlib(line, separators, rest, 1);
}

static void words(const char *name, char *(*next)(char *, const char *, char **))
{
	char line[] = "stop it now", *rest;

	for (char *word = next(line, " ", &rest); word; word = next(NULL, " ", &rest))
		printf("%s: \"%s\", then %s%s%s\n", name, word, rest ? "\"" : "",
		       rest ? rest : "NULL", rest ? "\"" : "");
}

int main(void)
{
	words("here", strtok_r);
	words("newlib", newlib);
}
C
find . -name strtok_r.c -exec sed 's/strtok_r\>/strtok_r_of_newlib/' {} + >newlib.c
gcc -w -c newlib.c
gcc words.c newlib.o -o words
./words >seen
as_seen seen <<'S'
here: "stop", then "it now"
here: "it", then "now"
here: "now", then ""
newlib: "stop", then "it now"
newlib: "it", then "now"
newlib: "now", then NULL
S
