/* The boot document, \bulkhead\bulkhead.yaml: read early, checked against the machine once that
 * is known, and its guests added. The checks themselves are guests/config's. */
#ifndef GUESTS_DOCUMENT_H
#define GUESTS_DOCUMENT_H

#include "guests/config/config.h"

/* Reads the document. All that is wrong with it by itself is logged, line by line; then, and
 * when there is no document, false: the machine runs without guests, on its console. After
 * files_init(). */
bool document_read(void);

/* Its host section; defaults where the document was not usable. */
const struct host_config *document_host(void);

/* Checks the document against this machine and adds its guests, all or none. After all CPUs are
 * up and guests_init(). Thread context. */
void document_start_guests(void);

#endif
