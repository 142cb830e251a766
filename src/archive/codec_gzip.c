/*-------------------------------------------------------------------------
 *
 * codec_gzip.c
 *	  gzip, by zlib: one member per file, flushed after each block.
 *
 * It has a checksum at its end.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#ifdef BBGW_WITH_ZLIB
#include <zlib.h>
#endif

#include "archive/codec.h"

#ifdef BBGW_WITH_ZLIB

/* MAX_WBITS, plus what makes it write gzip's header and trailer */
#define GZIP_WINDOW_BITS (MAX_WBITS + 16)
#define GZIP_MEM_LEVEL 8		/* zlib's default */

static void
check_gzip(z_stream *stream, int result, int expected)
{
	if (result != expected)
		elog(ERROR, "gzip compression failed: %s",
			 stream->msg ? stream->msg : zError(result));
}

static void
gzip_levels(int *min, int *max)
{
	*min = Z_BEST_SPEED;
	*max = Z_BEST_COMPRESSION;
}

static void *
gzip_create(int level)
{
	z_stream   *stream = palloc0(sizeof(z_stream));

	check_gzip(stream,
			   deflateInit2(stream, level, Z_DEFLATED, GZIP_WINDOW_BITS,
							GZIP_MEM_LEVEL, Z_DEFAULT_STRATEGY),
			   Z_OK);
	return stream;
}

static size_t
gzip_begin(void *state, char *out)
{
	check_gzip(state, deflateReset(state), Z_OK);
	return 0;
}

static size_t
gzip_block(void *state, char *out, const char *data, size_t len, bool last)
{
	z_stream   *stream = state;

	stream->next_in = (Bytef *) unconstify(char *, data);
	stream->avail_in = (uInt) len;
	stream->next_out = (Bytef *) out;
	stream->avail_out = BBGW_SINK_MAX_RESERVE;
	check_gzip(stream, deflate(stream, last ? Z_FINISH : Z_SYNC_FLUSH),
			   last ? Z_STREAM_END : Z_OK);
	if (stream->avail_in > 0 || stream->avail_out == 0)
		elog(ERROR, "gzip compression of %zu bytes needs more than %d",
			 len, BBGW_SINK_MAX_RESERVE);
	return BBGW_SINK_MAX_RESERVE - stream->avail_out;
}
#endif

const BbgwCodec bbgw_codec_gzip = {
	.name = "gzip",
	.suffix = ".gz",
	.library = "zlib",
#ifdef BBGW_WITH_ZLIB
	.levels = gzip_levels,
	.default_level = Z_DEFAULT_COMPRESSION,
	.slow_level = INT_MIN,
	.create = gzip_create,
	.begin = gzip_begin,
	.block = gzip_block,
#endif
};
