/*
 * The rules of kernel/lib/checks.h, each broken: that it is seen, and that the complaint names
 * both places. And what is allowed, seen by nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "kernel/lib/lock.h"
#include "kernel/mem/owners.h"
#include "tests/unit/checks_host.h"

static const char *const order[] = {"one", "two", "three", "first", "second", "third", NULL};
static char text[CHECKS_TEXT_BYTES];
static struct spinlock first = SPINLOCK("first"), second = SPINLOCK("second"),
		       third = SPINLOCK("third"), nameless;

static int setup(void **state)
{
	(void)state;
	checks_expected = text;
	text[0] = 0;
	check_forget(order);
	first = (struct spinlock)SPINLOCK("first");
	second = (struct spinlock)SPINLOCK("second");
	third = (struct spinlock)SPINLOCK("third");
	checks_irqs_off = checks_in_irq = checks_window_open = false;
	return 0;
}

static void says(const char *what)
{
	if (!*what)
		assert_string_equal(text, "");
	else if (!strstr(text, what))
		fail_msg("\"%s\" does not say \"%s\"", text, what);
	text[0] = 0;
}

static void under(struct spinlock *outer, struct spinlock *inner)
{
	spin_lock(outer);
	spin_lock(inner);
	spin_unlock(inner);
	spin_unlock(outer);
}

/* ---- waiting ---- */

static void waiting(void **state)
{
	uint64_t flags;

	(void)state;
	check_may_wait("a flush");
	says("");
	flags = irq_save();
	check_may_wait("a flush");
	says("a flush at tests/unit/test_checks.c:");
	irq_restore(flags);
	check_may_wait("a flush");
	says("");
	flags = spin_lock_irqsave(&first);
	check_may_wait("a flush");
	says("with 'first' held since tests/unit/test_checks.c:");
	spin_unlock_irqrestore(&first, flags);
	spin_lock(&nameless);
	check_may_wait("a flush");
	says("with '?' held");
	spin_unlock(&nameless);
	assert_true(spin_trylock(&first));
	check_may_wait("a flush");
	says("with 'first' held");
	spin_unlock(&first);
	checks_in_irq = true;
	check_may_wait("a flush");
	says("in an interrupt handler");
	checks_in_irq = false;
	checks_window_open = true;
	check_may_wait("a flush");
	says("window open");
	checks_window_open = false;
	check_may_wait("a flush");
	says("");
}

/* What was taken last need not be given back first. */
static void given_back_in_any_order(void **state)
{
	(void)state;
	spin_lock(&first);
	spin_lock(&second);
	spin_unlock(&first);
	check_may_wait("a flush");
	says("'second'");
	spin_unlock(&second);
	check_may_wait("a flush");
	says("");
}

/* ---- order ---- */

static void the_order_of_the_table(void **state)
{
	(void)state;
	under(&first, &second);
	under(&first, &second);
	under(&second, &third);
	under(&first, &third);
	says("");
	assert_int_equal(check_counts().orders, 3);
	assert_int_equal(check_counts().classes, 3);
	under(&third, &first); /* though nobody held the two so far the other way round */
	says("'first', taken at tests/unit/test_checks.c:");
	under(&second, &first);
	says("under 'second' of tests/unit/test_checks.c:");
	check_forget(order);
	under(&third, &second);
	says("has them the other way round");
}

static void a_class_that_the_table_lacks(void **state)
{
	struct spinlock other = SPINLOCK("fourth");

	(void)state;
	spin_lock(&other);
	says("'fourth' is not in kernel/lib/lock_order.c");
	spin_unlock(&other);
	check_forget(NULL);
	spin_lock(&other);
	says("'fourth' is not in");
	spin_unlock(&other);
	other = (struct spinlock)SPINLOCK("log");
	spin_lock(&other);
	says("");
	spin_unlock(&other);
}

static void two_of_a_kind(void **state)
{
	struct spinlock other = SPINLOCK("first");

	(void)state;
	under(&first, &other);
	says("two of 'first' at once");
	under(&nameless, &first); /* nothing is known of it */
	under(&first, &nameless);
	says("");
}

/* Itself, it would wait for ever: so only the complaint is asked for. */
static void taken_twice(void **state)
{
	(void)state;
	spin_lock(&first);
	check_lock_take(&first.check, "here");
	says("'first', taken at here, is held since");
	spin_unlock(&first);
	assert_true(spin_trylock(&first)); /* who does not wait may come in any order */
	assert_false(spin_trylock(&first));
	spin_unlock(&first);
}

static void trying_sets_no_order(void **state)
{
	(void)state;
	under(&first, &second);
	text[0] = 0;
	spin_lock(&second);
	assert_true(spin_trylock(&first));
	says("");
	spin_unlock(&first);
	spin_unlock(&second);
}

/* What is taken under a lock that was taken so has an order all the same, from the first time
 * on. */
static void under_what_was_tried(void **state)
{
	(void)state;
	assert_true(spin_trylock(&first));
	spin_lock(&second);
	spin_unlock(&second);
	spin_unlock(&first);
	says("");
	assert_int_equal(check_counts().classes, 2);
	assert_int_equal(check_counts().orders, 1);
	under(&second, &first);
	says("'first', taken at tests/unit/test_checks.c:");
}

/* ---- interrupts ---- */

static void in_irq(void (*fn)(void))
{
	uint64_t flags = irq_save();

	checks_in_irq = true;
	fn();
	checks_in_irq = false;
	irq_restore(flags);
}

static void take_first(void)
{
	spin_lock(&first);
	spin_unlock(&first);
}

static void taken_by_interrupts(void **state)
{
	uint64_t flags;

	(void)state;
	in_irq(take_first);
	flags = spin_lock_irqsave(&first);
	spin_unlock_irqrestore(&first, flags);
	says("");
	take_first();
	says("an interrupt handler takes 'first' at tests/unit/test_checks.c:");
}

static void try_first(void)
{
	assert_true(spin_trylock(&first));
	spin_unlock(&first);
}

/* A handler that tries waits for nobody; one that waits, for whoever has tried. */
static void tried_by_interrupts(void **state)
{
	(void)state;
	in_irq(try_first);
	take_first();
	says("");
	setup(NULL);
	try_first();
	in_irq(take_first);
	says("an interrupt handler takes 'first' at tests/unit/test_checks.c:");
}

static void taken_by_interrupts_later(void **state)
{
	(void)state;
	take_first();
	says("");
	in_irq(take_first);
	says("an interrupt handler takes 'first'");
}

/* Whoever is interrupted while it has the second holds up who has the first and wants it. */
static void under_what_interrupts_take(void **state)
{
	uint64_t flags;

	(void)state;
	in_irq(take_first);
	spin_lock(&second);
	spin_unlock(&second);
	flags = irq_save();
	under(&first, &second);
	irq_restore(flags);
	says("under it 'second', which is taken with interrupts on");
}

static void irqs_off_is_no_offence(void **state)
{
	uint64_t flags;

	(void)state;
	in_irq(take_first);
	flags = irq_save();
	under(&first, &second);
	under(&second, &third);
	irq_restore(flags);
	says("");
	spin_lock(&third); /* two steps away */
	says("'third'");
	spin_unlock(&third);
}

/* ---- mutexes ---- */

static void mutex_take(struct check_lock *lock, const char *site)
{
	check_mutex_take(lock, site);
	check_mutex_taken(lock, site);
}

/* They have an order among themselves, whatever is slept in between, and none with spinlocks:
 * with one of those held nobody waits for a mutex. */
static void mutexes_have_an_order(void **state)
{
	struct check_lock one = {.name = "one"}, two = {.name = "two"},
			  three = {.name = "three"};

	(void)state;
	mutex_take(&one, "a");
	mutex_take(&two, "b");
	check_may_wait("sleeping");
	under(&first, &second);
	says("");
	check_mutex_take(&one, "c");
	says("'one', taken at c, is held since a");
	check_mutex_give(&one);
	mutex_take(&three, "d");
	says("");
	check_mutex_take(&one, "e");
	says("'one', taken at e under 'two' of b: kernel/lib/lock_order.c has them");
	check_mutex_give(&two);
	check_mutex_take(&one, "f");
	says("'one', taken at f under 'three' of d");
	check_mutex_give(&three);
	mutex_take(&one, "g");
	check_mutex_give(&one);
	says("");
	assert_int_equal(check_counts().orders, 3); /* of first and second, too */
}

/* ---- frames ---- */

#define FRAME (64 * GIB)

static void frames_have_one_owner(void **state)
{
	int one = 1, two = 2;

	(void)state;
	owners_take(FRAME, 2 * PAGE_2M, &one);
	owners_check(FRAME + PAGE_2M, PAGE_2M, &one);
	owners_check(FRAME + PAGE_2M + 5, 1, &one);
	owners_free(FRAME + 2 * PAGE_2M, PAGE_2M);
	says("");
	owners_take(FRAME + PAGE_2M, PAGE_2M, &two);
	says("is another's already");
	owners_check(FRAME, PAGE_2M, &two);
	says("is not its own");
	owners_check(FRAME + PAGE_2M, 2 * PAGE_2M, &one);
	says("is not its own");
	owners_give(FRAME, PAGE_2M, &two);
	says("is not its own");
	owners_free(FRAME, PAGE_2M);
	says("still has an owner");
	owners_give(FRAME, 2 * PAGE_2M, &one);
	owners_free(FRAME, 2 * PAGE_2M);
	owners_take(FRAME, PAGE_2M, &two);
	owners_give(FRAME, PAGE_2M, &two);
	says("");
	owners_give(FRAME, PAGE_2M, &two); /* once more */
	says("is not its own");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waiting, setup),
		cmocka_unit_test_setup(given_back_in_any_order, setup),
		cmocka_unit_test_setup(the_order_of_the_table, setup),
		cmocka_unit_test_setup(a_class_that_the_table_lacks, setup),
		cmocka_unit_test_setup(two_of_a_kind, setup),
		cmocka_unit_test_setup(taken_twice, setup),
		cmocka_unit_test_setup(trying_sets_no_order, setup),
		cmocka_unit_test_setup(under_what_was_tried, setup),
		cmocka_unit_test_setup(taken_by_interrupts, setup),
		cmocka_unit_test_setup(tried_by_interrupts, setup),
		cmocka_unit_test_setup(taken_by_interrupts_later, setup),
		cmocka_unit_test_setup(under_what_interrupts_take, setup),
		cmocka_unit_test_setup(irqs_off_is_no_offence, setup),
		cmocka_unit_test_setup(mutexes_have_an_order, setup),
		cmocka_unit_test_setup(frames_have_one_owner, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
