/*
 * Run queues of several CPUs under all that sched.c does with them at once: CPUs pick, let go,
 * give what waits to each other and steal it, while others wake. Each is done in the lock that
 * runq.h asks for, and hints are read without. No entity is ever on two CPUs, and each that was
 * woken runs again. Choosing well is tests/unit's to show.
 */
/* links: kernel/sched/runq.c tests/stress/stress.c */
#include "tests/stress/stress.h"

#include <sched.h>
#include <stdlib.h>

#include "kernel/cpu/clock.h"
#include "kernel/lib/lock.h"
#include "kernel/sched/runq.h"
#include "kernel/sched/thread.h"

#define CPUS   4
#define TASKS  9
#define WAKERS 2
#define EACH   20000

/* As struct thread has it: `home`, `blocked` and `entity` are guarded by the lock of the queue
 * of CPU `home`. */
struct task {
	struct runq_entity entity;
	_Atomic unsigned home;
	bool blocked;
	_Atomic bool wake_pending;
	_Atomic unsigned running_on; /* CPU's number + 1 */
	_Atomic uint64_t asked;	     /* of it, and not done yet */
};

static struct stress_cpu {
	struct spinlock lock;
	struct runq queue;
	uint64_t random;
} here[CPUS];

static uint64_t seed = 0x6a09e667f3bcc908ull;
static struct runq_set set;
static struct task tasks[TASKS];
static _Atomic uint64_t done;
static _Atomic unsigned moves, steals;

static struct task *task_of(struct runq_entity *entity)
{
	return container_of(entity, struct task, entity);
}

static struct stress_cpu *lock_home(struct task *task)
{
	for (;;) {
		struct stress_cpu *cpu = &here[atomic_load(&task->home)];

		spin_lock(&cpu->lock);
		if (cpu == &here[atomic_load(&task->home)])
			return cpu;
		spin_unlock(&cpu->lock);
	}
}

static void put(struct stress_cpu *cpu, struct task *task,
		void (*how)(struct runq *, struct runq_entity *, uint64_t now))
{
	spin_lock(&cpu->lock);
	how(&cpu->queue, &task->entity, clock_now_ns());
	cpu->queue.idle = false;
	spin_unlock(&cpu->lock);
}

static void wake(struct task *task)
{
	struct stress_cpu *from;
	struct runq *to;

	if (atomic_exchange(&task->wake_pending, true))
		return;
	from = lock_home(task);
	if (!task->blocked) {
		spin_unlock(&from->lock);
		return;
	}
	task->blocked = false;
	to = runq_place(&set, &task->entity, task->home);
	if (to)
		task->home = to->cpu;
	spin_unlock(&from->lock);
	put(&here[atomic_load(&task->home)], task, runq_wake);
}

/* `from` is locked, and is not afterwards. */
static void move(struct stress_cpu *from, struct stress_cpu *to, struct task *task)
{
	demand(!task->running_on);
	runq_remove(&from->queue, &task->entity, clock_now_ns());
	task->home = to->queue.cpu;
	spin_unlock(&from->lock);
	put(to, task, runq_move);
}

/* In the CPU's lock, which it lets go. */
static struct task *choose(struct stress_cpu *cpu, enum runq_fate fate)
{
	struct runq_entity *entity = runq_pick(&cpu->queue, fate, clock_now_ns()), *other;
	struct task *next = entity ? task_of(entity) : NULL;
	struct runq *better;

	if (next)
		demand(!atomic_exchange(&next->running_on, cpu->queue.cpu + 1));
	while ((other = runq_better(&set, &cpu->queue, &better, clock_now_ns()))) {
		move(cpu, &here[better->cpu], task_of(other));
		moves++;
		spin_lock(&cpu->lock);
	}
	spin_unlock(&cpu->lock);
	return next;
}

static void steal(struct stress_cpu *to)
{
	for (unsigned i = 1; i < CPUS; i++) {
		struct stress_cpu *from = &here[(to->queue.cpu + i) % CPUS];
		struct runq_entity *entity;

		if (!from->queue.waiting_count)
			continue;
		spin_lock(&from->lock);
		entity = runq_stealable(&from->queue, &to->queue);
		if (entity) {
			steals++;
			move(from, to, task_of(entity));
			return;
		}
		spin_unlock(&from->lock);
	}
}

/* What the task does, until it sleeps or others have their turn; says which. In no lock before,
 * and in the CPU's afterwards. */
static enum runq_fate run(struct stress_cpu *cpu, struct task *task)
{
	for (;;) {
		done += atomic_exchange(&task->asked, 0);
		if (stress_chance(&cpu->random, 4))
			sched_yield();
		spin_lock(&cpu->lock);
		demand(task->home == cpu->queue.cpu);
		if (stress_chance(&cpu->random, 3)) {
			task->running_on = 0;
			return stress_chance(&cpu->random, 2) ? RUNQ_STAYS : RUNQ_YIELDS;
		}
		if (!atomic_exchange(&task->wake_pending, false)) {
			task->blocked = true;
			task->running_on = 0;
			return RUNQ_LEAVES;
		}
		spin_unlock(&cpu->lock);
	}
}

static void run_cpu(void *arg)
{
	struct stress_cpu *cpu = arg;
	enum runq_fate fate = RUNQ_LEAVES;

	cpu->queue.online = true;
	spin_lock(&cpu->lock);
	while (done < (uint64_t)WAKERS * EACH) {
		struct task *task = choose(cpu, fate);

		fate = RUNQ_LEAVES;
		if (task) {
			atomic_exchange(&task->wake_pending, false); /* what follows looks */
			fate = run(cpu, task);
			continue;
		}
		cpu->queue.idle = true;
		steal(cpu);
		sched_yield();
		cpu->queue.idle = false;
		spin_lock(&cpu->lock);
	}
	spin_unlock(&cpu->lock);
}

static void run_waker(void *arg)
{
	uint64_t random = seed ^ (uintptr_t)arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct task *task = &tasks[stress_random(&random) % TASKS];

		task->asked++;
		wake(task);
		if (stress_chance(&random, 64))
			sched_yield();
	}
}

static void queues_of_busy_cpus(void **state)
{
	struct thread *threads[CPUS + WAKERS];

	(void)state;
	for (unsigned i = 0; i < CPUS; i++) {
		spin_lock_init(&here[i].lock, "run queue");
		runq_init(&here[i].queue, i);
		set.queues[i] = &here[i].queue;
		here[i].random = seed + i;
	}
	for (unsigned i = 0; i < TASKS; i++) {
		tasks[i].blocked = true;
		tasks[i].entity.weight = i % 3 ? 100 : RUNQ_SERVICE;
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			if (i % 4 != 3 || cpu < 2) /* some may not run everywhere */
				cpumask_set(&tasks[i].entity.allowed, cpu);
	}
	for (unsigned i = 0; i < CPUS; i++)
		threads[i] = stress_thread("cpu", run_cpu, &here[i]);
	for (unsigned i = 0; i < WAKERS; i++)
		threads[CPUS + i] =
			stress_thread("waker", run_waker, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < CPUS + WAKERS; i++)
		thread_join(threads[i]);
	assert_int_equal(done, WAKERS * EACH);
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(tasks[i].asked, 0);
	assert_true(moves + steals > 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(queues_of_busy_cpus)};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, stress_start, NULL);
}
