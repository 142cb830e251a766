/*-------------------------------------------------------------------------
 *
 * sink_lz4.c
 *	  A stage that compresses: one LZ4 frame per file.
 *
 * The library is given a block at a time, to be compressed independently of
 * others, and so has nothing to copy: it reads the block where the stage before
 * has put it, and writes to where the next stage wants it.  Blocks are so big
 * that hardly anything could be gained from what came before.
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

#include "archive/sink.h"

typedef struct Lz4Sink
{
	BbgwSink	base;
	LZ4F_cctx  *cctx;
	LZ4F_preferences_t prefs;
	size_t		used;			/* of the block */
	char		block[BBGW_SINK_CHUNK];
} Lz4Sink;

static size_t
check_lz4(size_t result)
{
	if (LZ4F_isError(result))
		elog(ERROR, "lz4 compression failed: %s", LZ4F_getErrorName(result));
	return result;
}

static void
lz4_begin(BbgwSink *sink, const char *path)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;
	char	   *out;
	size_t		n;

	lz4->used = 0;
	sink->next->ops->begin(sink->next, path);
	out = bbgw_sink_reserve(sink->next, LZ4F_HEADER_SIZE_MAX);
	n = check_lz4(LZ4F_compressBegin(lz4->cctx, out, LZ4F_HEADER_SIZE_MAX,
									 &lz4->prefs));
	bbgw_sink_write(sink->next, out, n);
}

static void
compress_block(Lz4Sink *lz4)
{
	BbgwSink   *next = lz4->base.next;
	size_t		bound = LZ4F_compressBound(lz4->used, &lz4->prefs);
	char	   *out = bbgw_sink_reserve(next, bound);
	size_t		n;

	n = check_lz4(LZ4F_compressUpdate(lz4->cctx, out, bound,
									  lz4->block, lz4->used, NULL));
	bbgw_sink_write(next, out, n);
	lz4->used = 0;
}

static char *
lz4_reserve(BbgwSink *sink, size_t len)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;

	Assert(len <= BBGW_SINK_CHUNK);
	if (BBGW_SINK_CHUNK - lz4->used < len)
		compress_block(lz4);
	return lz4->block + lz4->used;
}

static void
lz4_write(BbgwSink *sink, const char *data, size_t len)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;

	if (data == lz4->block + lz4->used)
	{
		lz4->used += len;
		return;
	}
	while (len > 0)
	{
		char	   *out = lz4_reserve(sink, 1);
		size_t		n = Min(len, BBGW_SINK_CHUNK - lz4->used);

		memcpy(out, data, n);
		lz4->used += n;
		data += n;
		len -= n;
	}
}

static void
lz4_end(BbgwSink *sink, BbgwFileInfo *info)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;
	size_t		bound = LZ4F_compressBound(0, &lz4->prefs);
	char	   *out;
	size_t		n;

	if (lz4->used > 0)
		compress_block(lz4);
	out = bbgw_sink_reserve(sink->next, bound);
	n = check_lz4(LZ4F_compressEnd(lz4->cctx, out, bound, NULL));
	bbgw_sink_write(sink->next, out, n);
	sink->next->ops->end(sink->next, info);
}

static const BbgwSinkOps lz4_ops = {
	.begin = lz4_begin,
	.reserve = lz4_reserve,
	.write = lz4_write,
	.end = lz4_end,
};

/*
 * A stage that compresses for the next one.  Level 0 is the library's default,
 * which is its fastest.
 */
BbgwSink *
bbgw_sink_lz4_new(BbgwSink *next, int level)
{
	Lz4Sink    *lz4 = palloc0(sizeof(Lz4Sink));

	lz4->base.ops = &lz4_ops;
	lz4->base.next = next;
	lz4->prefs.frameInfo.blockSizeID = LZ4F_max1MB;
	lz4->prefs.frameInfo.blockMode = LZ4F_blockIndependent;
	lz4->prefs.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
	lz4->prefs.compressionLevel = level;
	lz4->prefs.autoFlush = 1;
	Assert(LZ4F_compressBound(BBGW_SINK_CHUNK, &lz4->prefs) <=
		   BBGW_SINK_MAX_RESERVE);
	check_lz4(LZ4F_createCompressionContext(&lz4->cctx, LZ4F_VERSION));
	return &lz4->base;
}
