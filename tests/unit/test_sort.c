/*
 * Sorting with a bound: any order comes out sorted, and no order takes more comparisons than
 * promised, not even one that an adversary makes up while it is compared. Looking up too.
 */
/* links: kernel/lib/sort.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kernel/lib/sort.h"

static unsigned long comparisons;

static int by_number(const void *a, const void *b, void *arg)
{
	int x = *(const int *)a, y = *(const int *)b;

	assert_ptr_equal(arg, &comparisons);
	comparisons++;
	return x < y ? -1 : x > y;
}

static unsigned long bound(unsigned long count)
{
	unsigned long log = 1;

	while (1ul << log < count)
		log++;
	return 2 * count * log;
}

static void check_sorted(const int *numbers, size_t count)
{
	for (size_t i = 1; i < count; i++)
		assert_true(numbers[i - 1] <= numbers[i]);
}

/* Every order of up to seven numbers, twins among them. */
static void permute(int *numbers, size_t count, size_t fixed)
{
	int copy[8];

	if (fixed == count) {
		memcpy(copy, numbers, sizeof(copy));
		comparisons = 0;
		sort_bounded(copy, count, sizeof(*copy), by_number, &comparisons);
		check_sorted(copy, count);
		assert_true(comparisons <= bound(count));
		return;
	}
	for (size_t i = fixed; i < count; i++) {
		int kept = numbers[fixed];

		numbers[fixed] = numbers[i];
		numbers[i] = kept;
		permute(numbers, count, fixed + 1);
		numbers[i] = numbers[fixed];
		numbers[fixed] = kept;
	}
}

static void every_order_is_sorted(void **state)
{
	(void)state;
	for (size_t count = 0; count < 8; count++) {
		int different[8] = {0, 1, 2, 3, 4, 5, 6, 7};
		int twins[8] = {0, 0, 1, 1, 1, 2, 2, 3};

		permute(different, count, 0);
		permute(twins, count, 0);
	}
}

/* McIlroy, "A Killer Adversary for Quicksort" (1999): an element's value is decided only when
 * it is compared, so that each partition is as uneven as can be. newlib's qsort() and the like
 * take count^2 / 4 comparisons of it. */
#define KILLED 20000
static int values[KILLED], undecided, decided, candidate;

static int adversary(const void *a, const void *b, void *arg)
{
	int x = *(const int *)a, y = *(const int *)b;

	(void)arg;
	comparisons++;
	if (values[x] == undecided && values[y] == undecided)
		values[x == candidate ? x : y] = decided++;
	if (values[x] == undecided)
		candidate = x;
	else if (values[y] == undecided)
		candidate = y;
	return values[x] - values[y];
}

static void no_adversary_makes_it_slow(void **state)
{
	static int at[KILLED];

	(void)state;
	undecided = KILLED;
	for (int i = 0; i < KILLED; i++) {
		at[i] = i;
		values[i] = undecided;
	}
	comparisons = 0;
	sort_bounded(at, KILLED, sizeof(*at), adversary, NULL);
	assert_true(comparisons <= bound(KILLED));
	for (size_t i = 1; i < KILLED; i++)
		assert_true(values[at[i - 1]] <= values[at[i]]);
}

struct large {
	char fill[61];
	int key;
	char tail[70];
};

static int by_key(const void *a, const void *b, void *arg)
{
	(void)arg;
	return ((const struct large *)a)->key - ((const struct large *)b)->key;
}

static void large_elements_move_whole(void **state)
{
	static struct large all[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		all[i].key = (i * 37) % 100;
		memset(all[i].fill, all[i].key, sizeof(all[i].fill));
		memset(all[i].tail, all[i].key, sizeof(all[i].tail));
	}
	sort_bounded(all, 100, sizeof(all[0]), by_key, NULL);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(all[i].key, i);
		assert_int_equal(all[i].fill[60], i);
		assert_int_equal(all[i].tail[69], i);
	}
}

static int before_key(const void *element, const void *key)
{
	comparisons++;
	return *(const int *)element - *(const int *)key;
}

static void the_first_that_is_not_before_is_found(void **state)
{
	static const int numbers[] = {1, 3, 3, 3, 5, 9};
	static const struct {
		int key;
		size_t at;
	} cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 1}, {4, 4}, {5, 4}, {9, 5}, {10, 6}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		comparisons = 0;
		assert_int_equal(sort_find(numbers, ARRAY_SIZE(numbers), sizeof(int),
					   &cases[i].key, before_key),
				 cases[i].at);
		assert_true(comparisons <= 3);
	}
	assert_int_equal(sort_find(NULL, 0, sizeof(int), &cases[0].key, before_key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_is_sorted),
		cmocka_unit_test(no_adversary_makes_it_slow),
		cmocka_unit_test(large_elements_move_whole),
		cmocka_unit_test(the_first_that_is_not_before_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
