/*
 * Threads on CPUs: switching, sleeping, waking, moving, idling. Who runs next and where is
 * runq.c's decision; here are the locks and the interrupts. Threads' lives are thread.c's.
 */
#include "kernel/sched/internal.h"

#include <errno.h>
#include <string.h>

#include "kernel/cpu/clock.h"
#include "kernel/cpu/smp.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"
#include "kernel/mem/heap.h"

/* One CPU's part of the scheduler. `lock` guards `runq`, taken with interrupts off; of two
 * CPUs' locks never more than one is held. */
struct sched_cpu {
	struct spinlock lock;
	struct runq runq;
	struct cpu *cpu;
	struct thread *idle;
	struct thread *previous; /* who was switched from: for finish_switch */
	struct timer slice;	 /* the next event of runq */
	uint64_t slice_ns;	 /* what it is armed for, UINT64_MAX: not */
};

static struct sched_cpu sched_cpus[CPU_MAX];
static struct runq_set set;
static struct cpumask housekeeping;
static struct spinlock owner_lock = SPINLOCK("CPU owners"); /* guards who owns which CPU */

void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp); /* switch.S */

const struct thread_ops thread_no_ops;

static struct thread *thread_of(struct runq_entity *e)
{
	return container_of(e, struct thread, entity);
}

/* Locks the queue of the thread's home, which may change until it is locked. */
static struct sched_cpu *lock_home(const struct thread *t)
{
	for (;;) {
		struct sched_cpu *s = &sched_cpus[atomic_load(&t->home)];

		spin_lock(&s->lock);
		if (s == &sched_cpus[atomic_load(&t->home)])
			return s;
		spin_unlock(&s->lock);
	}
}

/* Makes the CPU choose anew at its next safe point. */
static void kick(struct sched_cpu *s)
{
	if (!s->cpu || atomic_exchange(&s->cpu->need_resched, true))
		return; /* it is coming up and will look, or whoever set it has seen to it */
	if (s->cpu != cpu_this())
		smp_kick(s->cpu->index);
}

static struct sched_cpu *place(struct thread *t)
{
	struct runq *rq = runq_place(&set, &t->entity, t->home);

	if (rq)
		return &sched_cpus[rq->cpu];
	/* Nowhere for now: its CPU is still coming up, or is another's. */
	return &sched_cpus[atomic_load(&t->home)];
}

/* Puts a runnable thread, whose home is `s`, into the queue there. Interrupts are off. */
static void enqueue(struct sched_cpu *s, struct thread *t,
		    void (*put)(struct runq *, struct runq_entity *, uint64_t now))
{
	bool wanted;

	spin_lock(&s->lock);
	put(&s->runq, &t->entity, clock_now_ns());
	s->runq.idle = false;
	/* A first waiter needs the slice timer, which only the CPU itself can arm. */
	wanted = s->runq.waiting_count == 1 || t->entity.state == RUNQ_THROTTLED ||
		 runq_preempts(&s->runq, &t->entity);
	spin_unlock(&s->lock);
	if (wanted)
		kick(s);
}

/* Takes a waiting thread from one CPU's queue to another's. `from` is locked, and is not
 * afterwards. */
static void move(struct sched_cpu *from, struct sched_cpu *to, struct thread *t)
{
	runq_remove(&from->runq, &t->entity, clock_now_ns());
	t->home = to->runq.cpu;
	spin_unlock(&from->lock);
	enqueue(to, t, runq_move);
}

static void slice_over(struct timer *timer)
{
	(void)timer;
	thread_slice_over();
}

/* Sets the slice timer to the queue's next event, unless the thread sees to it. A lone thread
 * without a cap has none. */
static void arm_slice(struct sched_cpu *s)
{
	uint64_t event_ns = runq_next_event(&s->runq);

	s->cpu->slice_end_tsc = UINT64_MAX;
	if (event_ns != UINT64_MAX && s->cpu->current->ends_slices) {
		s->cpu->slice_end_tsc = clock_deadline_tsc(event_ns);
		event_ns = UINT64_MAX;
	}
	if (event_ns == s->slice_ns && timer_armed(&s->slice))
		return;
	if (event_ns != UINT64_MAX)
		timer_arm(&s->slice, event_ns);
	else if (timer_armed(&s->slice))
		timer_cancel_here(&s->slice);
	s->slice_ns = event_ns;
}

/*
 * The end of each switch, on the new thread's stack, interrupts off, the queue still locked by
 * schedule(). `previous` is off its stack only now. Then whoever waits here and would be better
 * off elsewhere moves.
 */
static void finish_switch(void)
{
	struct sched_cpu *s = cpu_this()->sched;
	struct thread *previous = s->previous;
	bool dead =
		previous->state == THREAD_DEAD; /* unlocked, it may come to life elsewhere */
	struct runq_entity *e;
	struct runq *better;

	while ((e = runq_better(&set, &s->runq, &better, clock_now_ns()))) {
		move(s, &sched_cpus[better->cpu], thread_of(e));
		spin_lock(&s->lock);
	}
	arm_slice(s);
	spin_unlock(&s->lock);
	if (dead)
		thread_bury(previous);
}

static void switch_to(struct sched_cpu *s, struct thread *from, struct thread *to)
{
	if (from->ops->switch_out)
		from->ops->switch_out(from);
	s->cpu->current = to;
	if (to->cr3 != from->cr3)
		__asm__ volatile("mov %0, %%cr3" : : "r"(to->cr3) : "memory");
	switch_stacks(&from->rsp, to->rsp);
	/* `from` runs again, perhaps on another CPU. */
	if (from->ops->switch_in)
		from->ops->switch_in(from);
}

/* Lets the queue choose, and switches. Interrupts are off and this CPU's queue is locked; not
 * afterwards. */
static void schedule(struct sched_cpu *s, enum runq_fate fate)
{
	struct thread *current = s->cpu->current, *next;
	struct runq_entity *e;

	s->cpu->need_resched = false;
	e = runq_pick(&s->runq, fate, clock_now_ns());
	next = e ? thread_of(e) : s->idle;
	s->previous = current;
	if (next != current)
		switch_to(s, current, next);
	finish_switch();
}

void sched_thread_start(void)
{
	struct thread *t = thread_current();

	if (t->ops->switch_in)
		t->ops->switch_in(t);
	finish_switch();
	irq_enable();
	t->fn(t->arg);
	thread_exit();
}

unsigned sched_only_cpu(const struct cpumask *mask)
{
	unsigned cpu = cpumask_next(mask, 0);

	return cpumask_next(mask, cpu + 1) == CPU_MAX ? cpu : CPU_MAX;
}

int sched_own_cpu(struct thread *t)
{
	unsigned cpu = sched_only_cpu(&t->entity.allowed);
	struct runq *rq;
	uint64_t flags;
	int err = 0;

	if (cpu == CPU_MAX || cpumask_test(&housekeeping, cpu))
		return -EINVAL;
	rq = &sched_cpus[cpu].runq;
	flags = spin_lock_irqsave(&owner_lock);
	if (rq->owner)
		err = -EBUSY;
	else
		rq->owner = &t->entity;
	spin_unlock_irqrestore(&owner_lock, flags);
	if (!err)
		kick(&sched_cpus[cpu]);
	return err;
}

void sched_disown_cpu(struct thread *t)
{
	struct sched_cpu *s = &sched_cpus[sched_only_cpu(&t->entity.allowed)];

	s->runq.owner = NULL;
	kick(s); /* who waits there may run from now on */
}

void sched_exit(void)
{
	struct sched_cpu *s;

	irq_disable();
	s = cpu_this()->sched;
	spin_lock(&s->lock);
	thread_current()->state = THREAD_DEAD;
	schedule(s, RUNQ_LEAVES);
	__builtin_unreachable();
}

void thread_block(void)
{
	struct thread *t = thread_current();
	struct sched_cpu *s;
	uint64_t flags;

	check_may_wait("sleeping");
	flags = irq_save();
	s = cpu_this()->sched;
	spin_lock(&s->lock);
	if (atomic_exchange(&t->wake_pending, false)) {
		spin_unlock(&s->lock);
	} else {
		t->state = THREAD_BLOCKED;
		schedule(s, RUNQ_LEAVES);
		atomic_exchange(&t->wake_pending, false);
	}
	irq_restore(flags);
}

/* Whoever makes wake_pending true sees to the wake-up; the lock waits for a thread that is
 * just going to sleep to be off its CPU. */
void thread_wake(struct thread *t)
{
	struct sched_cpu *from, *to;
	uint64_t flags;

	if (atomic_exchange(&t->wake_pending, true))
		return;
	flags = irq_save();
	from = lock_home(t);
	if (t->state == THREAD_BLOCKED) {
		t->state = THREAD_RUNNABLE;
		to = place(t);
		t->home = to->runq.cpu;
		spin_unlock(&from->lock);
		enqueue(to, t, runq_wake);
	} else {
		spin_unlock(&from->lock);
	}
	irq_restore(flags);
}

/* Its CPU chooses again, whatever the thread does there: it may have to leave, or have another
 * slice. */
void thread_set_share(struct thread *t, const struct thread_share *share)
{
	struct sched_cpu *s;
	uint64_t flags;

	if (t->owns_cpu)
		return;
	flags = irq_save();
	s = lock_home(t);
	runq_change(&s->runq, &t->entity, share->weight,
		    share->cap_percent * (RUNQ_CAP_PERIOD_NS / 100), &share->allowed,
		    clock_now_ns());
	spin_unlock(&s->lock);
	kick(s);
	irq_restore(flags);
}

bool thread_others_waiting(void)
{
	return atomic_load_explicit(&cpu_this()->sched->runq.waiting_count,
				    memory_order_relaxed);
}

void thread_yield(void)
{
	uint64_t flags;
	struct sched_cpu *s;
	bool asked = thread_should_yield();

	check_may_wait("giving way");
	if (!asked && !thread_others_waiting())
		return;
	flags = irq_save();
	s = cpu_this()->sched;
	spin_lock(&s->lock);
	schedule(s, asked ? RUNQ_STAYS : RUNQ_YIELDS);
	irq_restore(flags);
}

uint64_t sched_time_of(const struct thread *t,
		       uint64_t (*total)(const struct runq_entity *, uint64_t now))
{
	uint64_t flags = irq_save(), ns;
	struct sched_cpu *s = lock_home(t);

	ns = total(&t->entity, clock_now_ns());
	spin_unlock(&s->lock);
	irq_restore(flags);
	return ns;
}

const struct cpumask *sched_housekeeping(void)
{
	return &housekeeping;
}

/* Ties a CPU to its part here, so that wake-ups reach it. */
static int attach_this_cpu(void)
{
	struct cpu *cpu = cpu_this();
	struct sched_cpu *s = &sched_cpus[cpu->index];

	if (cpu->sched)
		return 0;
	timer_init(&s->slice, slice_over);
	s->slice_ns = UINT64_MAX;
	s->idle = heap_zalloc(sizeof(*s->idle), NULL);
	if (!s->idle || timer_init_this_cpu())
		return -ENOMEM;
	s->idle->home = cpu->index;
	s->idle->state = THREAD_RUNNABLE;
	s->idle->cr3 = kernel_aspace.cr3;
	s->idle->ops = &thread_no_ops;
	strlcpy(s->idle->name, "idle", sizeof(s->idle->name));
	_REENT_INIT_PTR(&s->idle->reent);
	cpu->need_resched = true; /* what was queued before the CPU came up */
	cpu->sched = s;
	s->cpu = cpu;
	return 0;
}

int sched_init(const struct cpumask *cpus_for_housekeeping)
{
	housekeeping = *cpus_for_housekeeping;
	for (unsigned i = 0; i < CPU_MAX; i++) {
		spin_lock_init(&sched_cpus[i].lock, "run queue");
		runq_init(&sched_cpus[i].runq, i);
		set.queues[i] = &sched_cpus[i].runq;
	}
	return attach_this_cpu();
}

void sched_settle_housekeeping(unsigned count)
{
	for (unsigned cpu = count; cpu < CPU_MAX; cpu++)
		cpumask_clear(&housekeeping, cpu);
	if (!cpumask_count(&housekeeping))
		cpumask_set(&housekeeping, 0);
}

/* Takes one waiting thread from another CPU. Interrupts are off. */
static bool steal(struct sched_cpu *to)
{
	for (unsigned i = 1; i < cpu_count; i++) {
		struct sched_cpu *from = &sched_cpus[(to->runq.cpu + i) % cpu_count];
		struct runq_entity *e;

		if (!from->runq.waiting_count)
			continue;
		spin_lock(&from->lock);
		e = runq_stealable(&from->runq, &to->runq);
		if (e) {
			move(from, to, thread_of(e));
			return true;
		}
		spin_unlock(&from->lock);
	}
	return false;
}

/* `idle` is set before looking: who queues something afterwards finds it set, and comes here
 * with it. STI takes effect after HLT began, so a kick cannot slip in between. */
static noreturn void idle_loop(struct sched_cpu *s)
{
	for (;;) {
		irq_disable();
		s->runq.idle = true;
		if (s->cpu->need_resched || steal(s)) {
			s->runq.idle = false;
			spin_lock(&s->lock);
			schedule(s, RUNQ_LEAVES);
		} else {
			__asm__ volatile("sti; hlt" : : : "memory");
		}
	}
}

void sched_run_this_cpu(void)
{
	struct cpu *cpu = cpu_this();

	irq_disable();
	if (attach_this_cpu())
		panic("no memory to run threads on CPU %u", cpu->index);
	cpu->current = cpu->sched->idle;
	cpu->sched->runq.online = true;
	idle_loop(cpu->sched);
}
