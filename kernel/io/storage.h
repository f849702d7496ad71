/*
 * Sources: what a configuration names as a disk ("lvm:vg0/web", "part:<PARTUUID>", "ram:64
 * MiB") to a block device, and who has what, so that nothing is written from two sides. The
 * kinds of sources register here; this knows none of them.
 */
#ifndef KERNEL_IO_STORAGE_H
#define KERNEL_IO_STORAGE_H

#include "kernel/io/blkdev.h"

#define STORAGE_WHY_BYTES    256
#define STORAGE_SOURCE_BYTES 256
#define STORAGE_OWNER_BYTES  32
#define STORAGE_ABOUT_BYTES  128

/* Something that a configuration could name, for people to choose from. */
struct storage_volume {
	char source[STORAGE_SOURCE_BYTES]; /* as it is written: "part:4f68bce3-..." */
	char about[STORAGE_ABOUT_BYTES];   /* "partition 1 of nvme0, 'data'" */
	uint64_t bytes;
	char owner[STORAGE_OWNER_BYTES]; /* who has it or a part of it; "": nobody */
	/* Where it lies, if in one run: its owner, and what it holds, are found there. */
	struct blkdev *disk;
	uint64_t offset;
	/* "", or what a disk or partition holds that is not one guest's alone: the rest of a
	 * sentence. */
	char holds[STORAGE_WHY_BYTES];
};
typedef void (*storage_visit)(void *arg, const struct storage_volume *volume);

/* A kind of source. `text` is what stands behind "scheme:". */
struct storage_scheme {
	const char *scheme;
	/* Opens without changing anything on any medium. 0; or a negative errno with the rest
	 * of a sentence in `why`: "names no partition; this machine has ...". May sleep. The
	 * volume says by ops->pieces what it is made of. */
	int (*open)(const char *text, struct blkdev **dev, char why[STORAGE_WHY_BYTES]);
	/* Whether `text` can be one at all, without a machine: for checking a document
	 * elsewhere. 0, or -EINVAL with the rest of a sentence in `why`. */
	int (*parse)(const char *text, char why[STORAGE_WHY_BYTES]);
	/* Visits each volume there is; what has no `disk` tells its owner itself. NULL: they
	 * can't be counted. May sleep. */
	void (*list)(storage_visit visit, void *arg);
	/* It looks through all disks for what it opens, so what a guest writes to its own disk
	 * could mislead it: opened last by storage_check(), see storage_given_away(). */
	bool searches;
	/* Around what storage_check() opens of it: nothing on any medium changes meanwhile, so
	 * that what it finds once may serve for all. NULL: it gains nothing. May sleep. */
	void (*begin_check)(void);
	void (*end_check)(void);
	/* It opens disks and partitions as they are, and so perhaps what belongs to a group of
	 * volumes: see STORAGE_WHOLE. */
	bool plain;
	/* It makes what it opens, of nothing that others could have: nothing is there to check
	 * or keep before a start. */
	bool makes;
};
void storage_register(const struct storage_scheme *scheme); /* at start-up */

/*
 * Whether [offset, offset + bytes) of a disk, or of a volume, is part of something that is more
 * than one guest's: a physical volume of LVM2's. 1, with the rest of a sentence in `what`
 * ("holds a physical volume of the group vg0"); 0; or a negative errno where that can't be
 * read. Thread context; may sleep. At start-up; without one, nothing is.
 */
typedef int (*storage_holds_fn)(struct blkdev *dev, uint64_t offset, uint64_t bytes,
				char what[STORAGE_WHY_BYTES]);
void storage_set_holds(storage_holds_fn holds);

/* Whether a source is well-formed. 0, or -EINVAL with the rest of a sentence. Any thread. */
int storage_parse(const char *source, char why[STORAGE_WHY_BYTES]);

/* `changed` is called when sources may have come that were not there: from any context. At
 * start-up. */
void storage_on_change(void (*changed)(void));
void storage_changed(void); /* by whoever made or found them */

/* How a source is opened, or'ed. */
enum storage_how {
	STORAGE_WRITE = 0,
	STORAGE_READ_ONLY = 1,
	STORAGE_WHOLE = 2, /* to write, also where it holds what storage_set_holds() tells of */
};

/*
 * Opens a source for `owner` (a guest's name) and claims what it is made of, down to the disks:
 * any number may read the same, or one may write it. What storage_check() kept for the owner is
 * taken, and not opened again. 0; -ENOENT, -EINVAL, -EROFS (the medium
 * can only be read), -EBUSY (with who has which part of it), -EEXIST (it is part of a group of
 * volumes, which takes STORAGE_WHOLE; what an owner had to write before is its own work, and
 * does not), -ENOMEM, -EIO, with the rest of a sentence in `why`. Thread context; may sleep.
 */
int storage_open(const char *source, unsigned how, const char *owner, struct blkdev **dev,
		 char why[STORAGE_WHY_BYTES]);
/* The same for a device that the caller opened, which is `source` in words: claims what it is
 * made of, to write it alone. storage_close() takes the claim back and closes it; on failure it
 * stays open. */
int storage_claim(struct blkdev *dev, const char *source, const char *owner,
		  char why[STORAGE_WHY_BYTES]);
/* The owner is no more, but its claims are, until it closes them: who is refused what it has is
 * told so. Another may take its name. Any thread. */
void storage_owner_removed(const char *owner);
/* No request may be under way. NULL is fine. */
void storage_close(struct blkdev *dev, const char *owner);

/* Whether any of `bytes` at `offset` of a disk, or of a volume, is claimed: then `owner` is by
 * whom (by one of them). It may be another's a moment later: who changes something claims it
 * first, by storage_claim(). */
bool storage_owner(struct blkdev *dev, uint64_t offset, uint64_t bytes,
		   char owner[STORAGE_OWNER_BYTES]);

/* A run of bytes of a disk that somebody has. */
struct storage_run {
	char disk[BLKDEV_NAME_MAX];
	uint64_t offset, bytes;
	bool read_only;
	bool starts; /* it is kept for the owner's start */
	char owner[STORAGE_OWNER_BYTES];
	char source[STORAGE_SOURCE_BYTES];
};
/* The runs of all claims, by index; false: there are no more. They may come and go between two
 * calls. Any thread. */
bool storage_run_at(unsigned index, struct storage_run *run);

/* Whether any of these bytes are a guest's to write by the document that storage_check() last
 * saw, running or not, and for the thread that tries one by that: kinds that search look
 * elsewhere. Thread context. */
bool storage_given_away(struct blkdev *dev, uint64_t offset, uint64_t bytes);

/* Visits all that could be named, of every kind that can be listed, with the owners. Thread
 * context; may sleep. */
void storage_list(storage_visit visit, void *arg);

/* One use of a source, for checking a document whole before anything starts. */
struct storage_use {
	const char *source;
	const char *owner;
	bool read_only;
	bool starts; /* the owner is about to start, and to open it: see storage_check() */
	/* Set by storage_check(): */
	int error; /* 0, or why it can't be: the rest of a sentence in `why` */
	int clash; /* -EBUSY: index of another use that excludes this one; else -1 */
	char why[STORAGE_WHY_BYTES];
};
/*
 * Opens every source, unless its owner has it already, and compares what they are made of. Of
 * two that exclude each other both have the error, or, where the owner of one has it, only the
 * other. What is opened for an owner that `starts` is kept, together with the verdict: nobody
 * else is given it, and storage_open() finds all as it was here, until storage_forget(). All
 * else is closed again. 0; -ENOMEM, and nothing is done. Thread context; may sleep.
 */
int storage_check(struct storage_use *uses, unsigned count);
/* The same of a document that is only looked at: nothing is kept, and what storage_given_away()
 * goes by stays. */
int storage_try(struct storage_use *uses, unsigned count);
/* Whether the calling thread is in one of these. */
bool storage_checking(void);
/* The start has come to an end, or will not be: what was kept for it and not used is closed.
 * Thread context; may sleep. */
void storage_forget(const char *owner);

#endif
