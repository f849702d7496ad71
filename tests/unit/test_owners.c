/* Frames and their owners, with room for four: what is not as it should be is complained of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kernel/mem/owners.h"
#include "tests/unit/checks_host.h"

#define FRAMES 4

static const void *owners[FRAMES];
static char said[CHECKS_TEXT_BYTES];
static const char a, b;

static void demand(const char *complaint)
{
	if (*complaint)
		assert_non_null(strstr(said, complaint));
	else
		assert_string_equal(said, "");
	said[0] = '\0';
}

static int fresh(void **state)
{
	(void)state;
	memset(owners, 0, sizeof(owners));
	owners_init(owners, FRAMES * PAGE_2M);
	checks_expected = said;
	said[0] = '\0';
	return 0;
}

static void a_frame_has_one_owner(void **state)
{
	(void)state;
	owners_take(PAGE_2M, 2 * PAGE_2M, &a);
	owners_check(PAGE_2M, 2 * PAGE_2M, &a);
	owners_free(0, PAGE_2M);
	owners_free(3 * PAGE_2M, PAGE_2M);
	demand("");
	owners_take(2 * PAGE_2M, 1, &b);
	demand("frame 0x400000 is another's already");
	owners_check(3 * PAGE_2M - 1, 2, &a); /* the last byte is, the next is not */
	demand("frame 0x600000 is not its own");
	owners_free(PAGE_2M, 1);
	demand("frame 0x200000 still has an owner");
	owners_give(PAGE_2M, 2 * PAGE_2M, &b);
	demand("frame 0x200000 is not its own");
	owners_give(PAGE_2M, 2 * PAGE_2M, &a);
	owners_free(0, FRAMES * PAGE_2M);
	demand("");
}

static void what_is_not_the_pools_has_none(void **state)
{
	(void)state;
	owners_take(FRAMES * PAGE_2M - 1, 1, &a);
	demand("");
	owners_take(FRAMES * PAGE_2M, 1, &a);
	demand("frame 0x800000 is not the guest pool's");
	owners_check(FRAMES * PAGE_2M - 1, 2, &a);
	demand("frame 0x800000 is not the guest pool's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_frame_has_one_owner, fresh),
		cmocka_unit_test_setup(what_is_not_the_pools_has_none, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
