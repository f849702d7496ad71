/*
 * The heap. Up to 2 KiB: slabs of equal objects, one lock per size. Beyond: whole frames. Each
 * slab keeps its objects' accounts in front of them, so that a page never mixes them with data.
 */
#include "kernel/mem/heap.h"

#include <string.h>

#include "kernel/lib/list.h"
#include "kernel/lib/lock.h"
#include "kernel/log/log.h"

enum note_kind { NOTE_NONE, NOTE_SLAB, NOTE_LARGE };

/* Followed by owners[capacity] and, 64-byte aligned, the objects. */
struct slab {
	struct list link; /* in the class's `partial` while it has free objects */
	uint32_t class;
	uint16_t capacity, free_count;
	void **free_objects; /* linked through their first words */
	char *objects;
	struct mem_account *owners[]; /* OWNER_FREE for free objects */
};

static struct mem_account owner_free;
#define OWNER_FREE (&owner_free)

/* lock guards the list, its slabs and their objects' owners. */
struct class
{
	struct spinlock lock;
	uint16_t bytes;
	uint16_t order;	     /* of a slab, in frames */
	struct list partial; /* zeroed until the first use */
};

#define SMALL_MAX 2048

#define CLASS(size, ...)                                                 \
	{                                                                \
		.lock = SPINLOCK("heap"), .bytes = (size), ##__VA_ARGS__ \
	}

static struct class classes[] = {
	CLASS(16),
	CLASS(32),
	CLASS(48),
	CLASS(64),
	CLASS(128),
	CLASS(192),
	CLASS(256),
	CLASS(384, .order = 1),
	CLASS(512, .order = 1),
	CLASS(768, .order = 2),
	CLASS(1024, .order = 2),
	CLASS(1536, .order = 3),
	CLASS(SMALL_MAX, .order = 3),
};

static struct class *class_for(size_t bytes)
{
	struct class *class = classes;

	while (class->bytes < bytes)
		class ++;
	return class;
}

static unsigned order_for(size_t bytes)
{
	return bytes <= PAGE_BYTES ? 0 : 64 - 12 - (unsigned)__builtin_clzll(bytes - 1);
}

static struct slab *slab_create(struct class *class)
{
	uint64_t slab_bytes = PAGE_BYTES << class->order;
	uint64_t phys = frames_alloc(class->order, NULL);
	struct slab *slab;
	uint64_t capacity, header;

	if (!phys)
		return NULL;
	slab = directmap(phys);
	capacity = (slab_bytes - sizeof(*slab)) / (class->bytes + sizeof(slab->owners[0]));
	do
		header = ALIGN_UP(sizeof(*slab) + capacity * sizeof(slab->owners[0]), 64);
	while (header + capacity * class->bytes > slab_bytes && capacity--);

	slab->class = (uint32_t)(class - classes);
	slab->capacity = slab->free_count = (uint16_t)capacity;
	slab->objects = (char *)slab + header;
	for (uint64_t i = capacity; i-- > 0;) {
		void **object = (void **)(slab->objects + i * class->bytes);

		*object = slab->free_objects;
		slab->free_objects = object;
		slab->owners[i] = OWNER_FREE;
	}
	for (uint64_t page = 0; page < slab_bytes; page += PAGE_BYTES)
		*frames_note(phys + page) =
			(struct frame_note){.owner = slab, .kind = NOTE_SLAB};
	return slab;
}

static void slab_destroy(struct slab *slab)
{
	unsigned order = classes[slab->class].order;
	uint64_t phys = directmap_phys(slab);

	for (uint64_t page = 0; page < PAGE_BYTES << order; page += PAGE_BYTES)
		*frames_note(phys + page) = (struct frame_note){0};
	frames_free(phys, order, NULL);
}

/* Index of the object that starts at `p`; panics if none does. */
static unsigned object_index(const struct slab *slab, const void *p)
{
	uint64_t offset = (uint64_t)((const char *)p - slab->objects);
	unsigned bytes = classes[slab->class].bytes;

	if (offset % bytes || offset / bytes >= slab->capacity)
		panic("heap: %p is inside an object, not its start", p);
	return (unsigned)(offset / bytes);
}

/* Takes a free object; the slab leaves the list with its last one. Caller holds the lock. */
static void *take_object(struct class *class, struct mem_account *account)
{
	struct slab *slab = list_first(&class->partial, struct slab, link);
	void **object = slab->free_objects;

	slab->free_objects = *object;
	slab->owners[object_index(slab, object)] = account;
	if (--slab->free_count == 0)
		list_remove(&slab->link);
	return object;
}

static void *small_alloc(struct class *class, struct mem_account *account)
{
	uint64_t flags = spin_lock_irqsave(&class->lock);
	void *object;

	if (!class->partial.next)
		list_init(&class->partial);
	if (list_empty(&class->partial)) {
		struct slab *slab = slab_create(class);

		if (!slab) {
			spin_unlock_irqrestore(&class->lock, flags);
			return NULL;
		}
		list_push_front(&class->partial, &slab->link);
	}
	object = take_object(class, account);
	spin_unlock_irqrestore(&class->lock, flags);

	memset(object, 0, class->bytes);
	if (account)
		account->bytes += class->bytes;
	return object;
}

static void small_free(struct slab *slab, void *p)
{
	struct class *class = &classes[slab->class];
	uint64_t flags = spin_lock_irqsave(&class->lock);
	unsigned index = object_index(slab, p);
	struct mem_account *account = slab->owners[index];
	bool unused;

	if (account == OWNER_FREE)
		panic("heap: %p freed twice", p);
	slab->owners[index] = OWNER_FREE;
	*(void **)p = slab->free_objects;
	slab->free_objects = p;
	if (slab->free_count++ == 0)
		list_push_back(&class->partial, &slab->link);

	/* One unused slab stays, so that a lone object's coming and going is cheap. */
	unused = slab->free_count == slab->capacity &&
		 class->partial.next != class->partial.prev;
	if (unused)
		list_remove(&slab->link);
	spin_unlock_irqrestore(&class->lock, flags);

	if (unused)
		slab_destroy(slab);
	if (account)
		account->bytes -= class->bytes;
}

static void *large_alloc(size_t bytes, struct mem_account *account)
{
	unsigned order = order_for(bytes);
	uint64_t phys = frames_alloc(order, account);

	if (!phys)
		return NULL;
	*frames_note(phys) =
		(struct frame_note){.owner = account, .kind = NOTE_LARGE, .order = order};
	return directmap(phys);
}

void *heap_zalloc(size_t bytes, struct mem_account *account)
{
	if (bytes <= SMALL_MAX)
		return small_alloc(class_for(bytes), account);
	return bytes <= 1ull << 40 ? large_alloc(bytes, account) : NULL;
}

/* The note of an allocation; panics for what is none. */
static struct frame_note *note_of(const void *p)
{
	struct frame_note *note = frames_note(directmap_phys(p));

	if (!note || note->kind == NOTE_NONE ||
	    (note->kind == NOTE_LARGE && !IS_ALIGNED((uint64_t)p, PAGE_BYTES)))
		panic("heap: %p is not from the heap", p);
	return note;
}

void heap_free(void *p)
{
	struct frame_note note;

	if (!p)
		return;
	note = *note_of(p);
	if (note.kind == NOTE_SLAB) {
		small_free(note.owner, p);
	} else {
		*note_of(p) = (struct frame_note){0};
		frames_free(directmap_phys(p), note.order, note.owner);
	}
}

size_t heap_usable_bytes(const void *p)
{
	const struct frame_note *note = note_of(p);

	if (note->kind == NOTE_SLAB)
		return classes[((const struct slab *)note->owner)->class].bytes;
	return PAGE_BYTES << note->order;
}
