/* IDENTIFY DEVICE: word numbers are those of ATA8-ACS, 7.16.7. */
#include "drivers/block/ata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORD_GENERAL	   0
#define WORD_SERIAL	   10
#define WORD_MODEL	   27
#define WORD_CAPABILITIES  49
#define WORD_LBA28	   60
#define WORD_MULTIWORD_DMA 63
#define WORD_ULTRA_DMA	   88
#define WORD_QUEUE	   75
#define WORD_SATA	   76
#define WORD_COMMANDS	   83
#define WORD_COMMANDS_MORE 84
#define WORD_LBA48	   100
#define WORD_SECTOR	   106
#define WORD_SECTOR_WORDS  117
#define WORD_TRIM	   169
#define WORD_ROTATION	   217

#define GENERAL_PACKETS	   BIT(15)
#define CAPABILITY_DMA	   BIT(8)
#define CAPABILITY_LBA	   BIT(9)
#define COMMANDS_VALID(w)  (((w)&0xc000) == 0x4000)
#define COMMANDS_LBA48	   BIT(10)
#define COMMANDS_FLUSH	   BIT(12)
#define COMMANDS_FLUSH_EXT BIT(13)
#define COMMANDS_MORE_FUA  BIT(6)
#define SATA_NCQ	   BIT(8)
#define SATA_NONE	   0xffff /* of a device that is not */
#define QUEUE_DEPTH	   0x1f	  /* less one */
#define TRIM_SUPPORTED	   BIT(0)
#define SECTOR_LONG	   BIT(12) /* words 117 and 118 are valid */
#define SECTOR_MANY	   BIT(13) /* logical ones in a physical one: 2 to the power of 3:0 */
#define ROTATION_NONE	   1
#define MODE_MULTIWORD_DMA 0x20 /* SET FEATURES: 7.48.6 */
#define MODE_ULTRA_DMA	   0x40

#define BLOCK_BYTES	   512u
#define BLOCK_BYTES_MAX	   4096u
#define BLOCKS_LBA28	   (UINT64_C(1) << 28)
#define BLOCKS_LBA48	   (UINT64_C(1) << 48)

/* Strings have their first character in a word's high byte, and blanks around. */
static void read_string(const uint16_t *words, unsigned count, char *out)
{
	unsigned start = 0, end = 0;
	char text[2 * 20 + 1];

	for (unsigned i = 0; i < count; i++) {
		text[2 * i] = (char)(words[i] >> 8);
		text[2 * i + 1] = (char)words[i];
	}
	while (start < 2 * count && text[start] == ' ')
		start++;
	for (unsigned i = start; i < 2 * count && text[i]; i++)
		if (text[i] != ' ')
			end = i + 1;
	for (unsigned i = start; i < end; i++)
		*out++ = text[i];
	*out = '\0';
}

static uint64_t read_number(const uint16_t *words, unsigned count)
{
	uint64_t value = 0;

	while (count--)
		value = value << 16 | words[count];
	return value;
}

/* Bits 15:8 of both words say which mode is selected; one at most is. */
static uint8_t read_dma_mode(const uint16_t *words)
{
	unsigned ultra = words[WORD_ULTRA_DMA] >> 8, multiword = words[WORD_MULTIWORD_DMA] >> 8;

	if (ultra & 0x7f)
		return (uint8_t)(MODE_ULTRA_DMA | __builtin_ctz(ultra));
	if (multiword & 0x7)
		return (uint8_t)(MODE_MULTIWORD_DMA | __builtin_ctz(multiword));
	return 0;
}

static int read_sizes(const uint16_t *words, struct ata_identity *identity)
{
	uint16_t sector = words[WORD_SECTOR];
	uint64_t bytes = BLOCK_BYTES;

	if (!COMMANDS_VALID(sector))
		sector = 0;
	if (sector & SECTOR_LONG)
		bytes = 2 * read_number(&words[WORD_SECTOR_WORDS], 2);
	if (bytes < BLOCK_BYTES || bytes > BLOCK_BYTES_MAX || (bytes & (bytes - 1)))
		return -ENODEV;
	identity->block_bytes = (uint32_t)bytes;
	identity->physical_block_bytes = (uint32_t)bytes;
	if (sector & SECTOR_MANY)
		identity->physical_block_bytes <<= sector & 0xf;
	identity->blocks = identity->lba48 ? read_number(&words[WORD_LBA48], 4)
					   : read_number(&words[WORD_LBA28], 2);
	/* No more than commands can address. */
	return identity->blocks && identity->blocks <=
					   (identity->lba48 ? BLOCKS_LBA48 : BLOCKS_LBA28)
		       ? 0
		       : -ENODEV;
}

int ata_identify(const uint16_t words[ATA_WORDS], struct ata_identity *identity)
{
	uint16_t capabilities = words[WORD_CAPABILITIES], commands = words[WORD_COMMANDS];
	uint16_t more = words[WORD_COMMANDS_MORE];

	if (!COMMANDS_VALID(commands))
		commands = 0;
	*identity = (struct ata_identity){
		.dma_mode = read_dma_mode(words),
		.lba48 = commands & COMMANDS_LBA48,
		.flush = commands & COMMANDS_FLUSH,
		.flush_ext = commands & COMMANDS_FLUSH_EXT,
		.rotational = words[WORD_ROTATION] != ROTATION_NONE,
		.trim = words[WORD_TRIM] & TRIM_SUPPORTED,
		.fua = COMMANDS_VALID(more) && more & COMMANDS_MORE_FUA,
		.ncq = words[WORD_SATA] != SATA_NONE && words[WORD_SATA] & SATA_NCQ,
		.queue_depth = 1,
	};
	if (identity->ncq)
		identity->queue_depth += words[WORD_QUEUE] & QUEUE_DEPTH;
	read_string(&words[WORD_SERIAL], 10, identity->serial);
	read_string(&words[WORD_MODEL], 20, identity->model);
	if (words[WORD_GENERAL] & GENERAL_PACKETS || !(capabilities & CAPABILITY_DMA) ||
	    !(capabilities & CAPABILITY_LBA))
		return -ENODEV;
	return read_sizes(words, identity);
}

void ata_describe(const struct ata_identity *identity, struct blkdev *dev)
{
	snprintf(dev->serial, sizeof(dev->serial), "%s", identity->serial);
	snprintf(dev->model, sizeof(dev->model), "%s", identity->model);
	dev->bytes = identity->blocks * identity->block_bytes;
	dev->block_bytes = identity->block_bytes;
	dev->physical_block_bytes = identity->physical_block_bytes;
	dev->rotational = identity->rotational;
	/* One that can be flushed may hold writes back, whatever it says of its cache now. */
	dev->write_cache = identity->flush || identity->flush_ext;
}

void ata_trim_ranges(uint64_t ranges[ATA_TRIM_RANGES], uint64_t lba, uint64_t blocks)
{
	memset(ranges, 0, ATA_TRIM_BYTES);
	for (unsigned i = 0; i < ATA_TRIM_RANGES && blocks; i++) {
		uint64_t n = MIN(blocks, (uint64_t)ATA_TRIM_RANGE_BLOCKS_MAX);

		ranges[i] = lba | n << 48;
		lba += n;
		blocks -= n;
	}
}

const char *ata_error(uint8_t status, uint8_t error, bool *again)
{
	*again = true;
	if (status & ATA_STATUS_DF)
		return "device fault";
	if (error & ATA_ERROR_CRC)
		return "CRC error on the cable";
	*again = false;
	if (error & ATA_ERROR_UNCORRECTABLE)
		return "uncorrectable data error";
	if (error & ATA_ERROR_NOT_FOUND)
		return "address not found";
	*again = true;
	if (error & ATA_ERROR_ABORTED)
		return "command aborted";
	return "unspecific error";
}
