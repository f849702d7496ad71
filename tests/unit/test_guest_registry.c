/* Guests by name and in order, while they come and go; and that each is dead once, when nobody
 * refers to it any more. With many threads at once: tests/stress/stress_guests.c. */
/* links: guests/guest/registry.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "guests/guest/internal.h"
#include "guests/guest/registry.h"

static unsigned told, alive;

static void tell(void)
{
	told++;
}

static struct guest *make(const char *name)
{
	struct guest *g = calloc(1, sizeof(*g));

	snprintf(g->config.name, sizeof(g->config.name), "%s", name);
	alive++;
	return g;
}

/* Frees what is dead; how many that were. */
static unsigned bury(void)
{
	unsigned dead = 0;

	for (struct guest *g; (g = registry_take_dead()); dead++) {
		alive--;
		free(g);
	}
	return dead;
}

/* Adds one that has the list's reference alone. */
static struct guest *add(const char *name)
{
	struct guest *g = make(name);

	assert_int_equal(registry_add(g), 0);
	guest_put(g);
	return g;
}

static int fresh(void **state)
{
	(void)state;
	told = 0;
	registry_init(tell);
	return 0;
}

/* All leave; nothing stays. */
static int clean(void **state)
{
	(void)state;
	for (struct guest *g = registry_next(NULL); g; g = registry_next(g)) {
		registry_remove(g);
		registry_drop(g);
	}
	bury();
	assert_int_equal(alive, 0);
	return 0;
}

static void by_name(void **state)
{
	struct guest *web = add("web"), *other = make("web"), *found;

	(void)state;
	assert_null(guest_get("we"));
	assert_null(guest_get("web2"));
	found = guest_get("web");
	assert_ptr_equal(found, web);
	assert_string_equal(guest_name(web), "web");
	assert_int_equal(registry_add(other), -EEXIST);
	assert_false(registry_removed(web));
	assert_true(registry_remove(web));
	assert_false(registry_remove(web)); /* once */
	assert_true(registry_removed(web));
	assert_null(guest_get("web"));
	assert_int_equal(registry_add(other), 0); /* the name is free at once */
	assert_true(guest_generation(other) > guest_generation(web));
	assert_true(guest_generation(web) > 0);
	guest_put(other);
	guest_put(found);
	guest_put(NULL);
	assert_int_equal(bury(), 0); /* the list has it still */
}

static void references(void **state)
{
	struct guest *web = add("web"), *handle = guest_get("web"), *again = guest_get("web");

	(void)state;
	registry_remove(web);
	registry_drop(web);
	assert_int_equal(told, 0);
	guest_put(handle);
	assert_int_equal(told, 0);
	assert_null(registry_take_dead());
	guest_put(again);
	assert_int_equal(told, 1);
	assert_int_equal(bury(), 1);
	assert_int_equal(bury(), 0);

	web = add("web");
	registry_remove(web);
	registry_drop(web); /* the list's was the last */
	assert_int_equal(told, 2);
	assert_int_equal(bury(), 1);
}

static void in_order(void **state)
{
	struct guest *a = add("a"), *b = add("b"), *c = add("c"), *at;

	(void)state;
	at = guest_next(NULL);
	assert_ptr_equal(at, a);
	at = guest_next(at);
	assert_ptr_equal(at, b);
	/* The one that it stands on goes, and the next; another comes. */
	registry_remove(b);
	registry_drop(b);
	registry_remove(c);
	add("d");
	assert_int_equal(bury(), 0); /* `at` is a reference */
	at = guest_next(at);
	assert_string_equal(guest_name(at), "d");
	assert_int_equal(bury(), 1);
	assert_null(guest_next(at));

	/* Who takes them apart sees those too that were removed. */
	at = registry_next(NULL);
	assert_ptr_equal(at, a);
	at = registry_next(at);
	assert_ptr_equal(at, c);
	guest_put(at);
}

/* As many as a document may have, and those that are removed don't count. */
static void only_so_many(void **state)
{
	struct guest *one_more = make("one more"), *first;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < CONFIG_GUESTS_MAX; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		add(name);
	}
	assert_int_equal(registry_add(one_more), -ENOSPC);
	first = guest_get("guest0");
	registry_remove(first);
	assert_int_equal(registry_add(one_more), 0);
	guest_put(one_more);
	guest_put(first);
	assert_int_equal(bury(), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_name),
		TEST(references),
		TEST(in_order),
		TEST(only_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
