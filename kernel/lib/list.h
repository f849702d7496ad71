/* A circular doubly linked list of embedded nodes. No locking, no allocation. */
#ifndef KERNEL_LIB_LIST_H
#define KERNEL_LIB_LIST_H

#include "kernel/lib/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
	list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
	list_insert_before(head->next, node);
}

/* Unlinks `node` and leaves it an empty list, so that removing it twice is harmless. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

#define list_for_each(it, head, type, member)                                  \
	for (type *it = list_first(head, type, member); &it->member != (head); \
	     it = list_first(&it->member, type, member))

/* The same, when the loop body may remove `it`. */
#define list_for_each_safe(it, head, type, member)                    \
	for (type *it = list_first(head, type, member),               \
		  *it##_next = list_first(&it->member, type, member); \
	     &it->member != (head);                                   \
	     it = it##_next, it##_next = list_first(&it->member, type, member))

#endif
