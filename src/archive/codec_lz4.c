/*-------------------------------------------------------------------------
 *
 * codec_lz4.c
 *	  LZ4: one frame per file, of blocks that are independent of each other.
 *
 * That way the library has nothing to copy, and blocks are so big that hardly
 * anything could be gained from what came before.
 *
 * Each block carries a checksum, so that lz4 -d and pg_restore notice damage
 * also where nobody looked into the manifest.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4frame.h>
#include <lz4hc.h>

#include "archive/codec.h"

/* The library's own default, its fastest. */
#define LZ4_DEFAULT_LEVEL 0

/* From here on another algorithm is at work, ten times as slow. */
#define LZ4_SLOW_LEVEL 3

typedef struct Lz4State
{
	LZ4F_cctx  *cctx;
	LZ4F_preferences_t prefs;
} Lz4State;

static size_t
check_lz4(size_t result)
{
	if (LZ4F_isError(result))
		elog(ERROR, "lz4 compression failed: %s", LZ4F_getErrorName(result));
	return result;
}

static void
lz4_levels(int *min, int *max)
{
	*min = 1;
	*max = LZ4HC_CLEVEL_MAX;
}

static void *
lz4_create(int level)
{
	Lz4State   *lz4 = palloc0(sizeof(Lz4State));

	lz4->prefs.frameInfo.blockSizeID = LZ4F_max1MB;
	lz4->prefs.frameInfo.blockMode = LZ4F_blockIndependent;
	lz4->prefs.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
	lz4->prefs.compressionLevel = level;
	lz4->prefs.autoFlush = 1;
	check_lz4(LZ4F_createCompressionContext(&lz4->cctx, LZ4F_VERSION));
	return lz4;
}

static size_t
lz4_begin(void *state, char *out)
{
	Lz4State   *lz4 = state;

	return check_lz4(LZ4F_compressBegin(lz4->cctx, out, BBGW_SINK_MAX_RESERVE,
										&lz4->prefs));
}

static size_t
lz4_block(void *state, char *out, const char *data, size_t len, bool last)
{
	Lz4State   *lz4 = state;
	size_t		n;

	n = check_lz4(LZ4F_compressUpdate(lz4->cctx, out, BBGW_SINK_MAX_RESERVE,
									  data, len, NULL));
	if (last)
		n += check_lz4(LZ4F_compressEnd(lz4->cctx, out + n,
										BBGW_SINK_MAX_RESERVE - n, NULL));
	return n;
}

const BbgwCodec bbgw_codec_lz4 = {
	.name = "lz4",
	.suffix = ".lz4",
	.library = "liblz4",
	.levels = lz4_levels,
	.default_level = LZ4_DEFAULT_LEVEL,
	.slow_level = LZ4_SLOW_LEVEL,
	.create = lz4_create,
	.begin = lz4_begin,
	.block = lz4_block,
};
