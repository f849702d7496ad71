/* What this is called. The strings are made when it is built, by tools/make/version. */
#ifndef KERNEL_LIB_VERSION_H
#define KERNEL_LIB_VERSION_H

extern const char version_number[]; /* "0.1.0" */
/* Twelve digits of the commit, and "+" where the sources were changed since; "": made from
 * files of which that is not known. */
extern const char version_build[];
extern const char version_text[]; /* both: "0.1.0 (build 3483d9d41c2e)" */

#endif
