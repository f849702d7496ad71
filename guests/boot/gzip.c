/* zlib's inflate on a whole file in memory, in pieces. The file is hostile: what is written is
 * bounded by the length that it claims, and that by GZIP_BYTES_MAX. */
#include "guests/boot/gzip.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "kernel/mem/heap.h"
#include "kernel/sched/thread.h"

#define MAGIC_1	    0x1f
#define MAGIC_2	    0x8b
#define BYTES_MIN   18		     /* header and trailer (RFC 1952, 2.3) */
#define PIECE_BYTES (256 * KIB)	     /* of output, between two turns of others */
#define GZIP_WINDOW (MAX_WBITS + 16) /* 16: a gzip header, with its checksums */

bool gzip_probe(const struct boot_image *file)
{
	return file->bytes >= BYTES_MIN && file->data[0] == MAGIC_1 && file->data[1] == MAGIC_2;
}

/* ISIZE: the length that the file says it has, modulo 4 GiB. */
static uint32_t claimed_bytes(const struct boot_image *file)
{
	uint32_t bytes;

	memcpy(&bytes, file->data + file->bytes - sizeof(bytes), sizeof(bytes));
	return bytes;
}

static void *take(void *account, unsigned count, unsigned bytes)
{
	return heap_zalloc((size_t)count * bytes, account);
}

static void give_back(void *account, void *p)
{
	(void)account;
	heap_free(p);
}

/* Fills `out`, which has the length that the file claims; the stream must end with it. */
static int inflate_all(z_stream *stream, const struct boot_image *out, char *why)
{
	uint64_t left = out->bytes;
	int status = Z_OK;

	stream->next_out = (uint8_t *)out->data;
	while (status == Z_OK) {
		unsigned piece = (unsigned)MIN(left, PIECE_BYTES);

		/* With no room left, a stream that is whole still ends; another does not. */
		stream->avail_out = piece;
		status = inflate(stream, Z_NO_FLUSH);
		left -= piece - stream->avail_out;
		thread_yield();
	}
	if (status == Z_STREAM_END && !left)
		return 0;
	if (status == Z_MEM_ERROR)
		return boot_refuse(why, -ENOMEM, "no memory to unpack its gzip'd kernel");
	return boot_refuse(why, -ENOEXEC,
			   "the kernel's file is gzip'd and damaged (%s); copy it there again",
			   stream->msg ? stream->msg : "its length is wrong");
}

static int unpack(const struct boot_image *file, struct mem_account *account,
		  const struct boot_image *out, char *why)
{
	z_stream stream = {
		.zalloc = take,
		.zfree = give_back,
		.opaque = account,
		.next_in = (uint8_t *)file->data,
		.avail_in = (unsigned)file->bytes,
	};
	int status = inflateInit2(&stream, GZIP_WINDOW), error;

	if (status != Z_OK)
		return boot_refuse(why, -ENOMEM, "no memory to unpack its gzip'd kernel");
	error = inflate_all(&stream, out, why);
	inflateEnd(&stream);
	return error;
}

int gzip_unpack(const struct boot_image *file, struct mem_account *account,
		struct boot_image *out, char why[BOOT_WHY_BYTES])
{
	int error;

	*out = (struct boot_image){0};
	if (!gzip_probe(file))
		return boot_refuse(why, -ENOEXEC, "the file is not gzip'd");
	out->bytes = claimed_bytes(file);
	if (out->bytes > GZIP_BYTES_MAX || file->bytes > UINT32_MAX)
		return boot_refuse(
			why, -ENOEXEC,
			"the kernel's file is gzip'd and would be %llu MiB long, more "
			"than the %llu MiB that are unpacked here; unpack it (gunzip) "
			"and copy it there",
			(unsigned long long)out->bytes / MIB,
			(unsigned long long)GZIP_BYTES_MAX / MIB);
	out->data = heap_zalloc(MAX(out->bytes, 1ull), account);
	if (!out->data)
		return boot_refuse(why, -ENOMEM, "no memory to unpack its gzip'd kernel");
	error = unpack(file, account, out, why);
	if (error) {
		heap_free((void *)out->data);
		*out = (struct boot_image){0};
	}
	return error;
}
