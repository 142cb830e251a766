/*-------------------------------------------------------------------------
 *
 * sink_lz4.c
 *	  A stage that compresses: one LZ4 frame per file.
 *
 * The frame carries a checksum of its content, so that lz4 -d and pg_restore
 * notice damage also where nobody looked into the manifest.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <lz4frame.h>

#include "archive/sink.h"

/* most that is given to the library at once, and what its answer may take */
#define CHUNK_SIZE (64 * 1024)

typedef struct Lz4Sink
{
	BbgwSink	base;
	LZ4F_cctx  *cctx;
	LZ4F_preferences_t prefs;
	char	   *out;
	size_t		out_size;
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
	size_t		n;

	sink->next->ops->begin(sink->next, path);
	n = check_lz4(LZ4F_compressBegin(lz4->cctx, lz4->out, lz4->out_size,
									 &lz4->prefs));
	bbgw_sink_write(sink->next, lz4->out, n);
}

static void
lz4_write(BbgwSink *sink, const char *data, size_t len)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;

	while (len > 0)
	{
		size_t		chunk = Min(len, CHUNK_SIZE);
		size_t		n;

		n = check_lz4(LZ4F_compressUpdate(lz4->cctx, lz4->out, lz4->out_size,
										  data, chunk, NULL));
		if (n > 0)
			bbgw_sink_write(sink->next, lz4->out, n);
		data += chunk;
		len -= chunk;
	}
}

static void
lz4_end(BbgwSink *sink, BbgwFileInfo *info)
{
	Lz4Sink    *lz4 = (Lz4Sink *) sink;
	size_t		n;

	n = check_lz4(LZ4F_compressEnd(lz4->cctx, lz4->out, lz4->out_size, NULL));
	bbgw_sink_write(sink->next, lz4->out, n);
	sink->next->ops->end(sink->next, info);
}

static const BbgwSinkOps lz4_ops = {
	.begin = lz4_begin,
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
	lz4->prefs.frameInfo.blockSizeID = LZ4F_max256KB;
	lz4->prefs.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
	lz4->prefs.compressionLevel = level;
	lz4->out_size = Max(LZ4F_compressBound(CHUNK_SIZE, &lz4->prefs),
						LZ4F_HEADER_SIZE_MAX);
	lz4->out = palloc(lz4->out_size);
	check_lz4(LZ4F_createCompressionContext(&lz4->cctx, LZ4F_VERSION));
	return &lz4->base;
}
