/*-------------------------------------------------------------------------
 *
 * sink_codec.c
 *	  A stage that compresses: collects blocks for a codec.
 *
 * Nothing is copied: the codec reads the block where the stage before has put
 * it, and writes to where the next stage wants it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "archive/codec.h"

typedef struct CodecSink
{
	BbgwSink	base;
	const BbgwCodec *codec;
	void	   *state;			/* the codec's */
	void		(*before_block) (void); /* or NULL */
	size_t		used;			/* of the block */
	char		block[BBGW_SINK_CHUNK];
} CodecSink;

static void
compress_block(CodecSink *csink, bool last)
{
	BbgwSink   *next = csink->base.next;
	char	   *out;

	if (csink->before_block)
		csink->before_block();
	out = bbgw_sink_reserve(next, BBGW_SINK_MAX_RESERVE);
	bbgw_sink_write(next, out,
					csink->codec->block(csink->state, out,
										csink->block, csink->used, last));
	csink->used = 0;
}

static void
codec_begin(BbgwSink *sink, const char *path)
{
	CodecSink  *csink = (CodecSink *) sink;
	char	   *out;

	csink->used = 0;
	sink->next->ops->begin(sink->next, path);
	out = bbgw_sink_reserve(sink->next, BBGW_SINK_MAX_RESERVE);
	bbgw_sink_write(sink->next, out, csink->codec->begin(csink->state, out));
}

static char *
codec_reserve(BbgwSink *sink, size_t len)
{
	CodecSink  *csink = (CodecSink *) sink;

	Assert(len <= BBGW_SINK_CHUNK);
	if (BBGW_SINK_CHUNK - csink->used < len)
		compress_block(csink, false);
	return csink->block + csink->used;
}

static void
codec_write(BbgwSink *sink, const char *data, size_t len)
{
	CodecSink  *csink = (CodecSink *) sink;

	if (data == csink->block + csink->used)
	{
		csink->used += len;
		return;
	}
	while (len > 0)
	{
		char	   *in = codec_reserve(sink, 1);
		size_t		n = Min(len, BBGW_SINK_CHUNK - csink->used);

		memcpy(in, data, n);
		csink->used += n;
		data += n;
		len -= n;
	}
}

static void
codec_end(BbgwSink *sink, BbgwFileInfo *info)
{
	compress_block((CodecSink *) sink, true);
	sink->next->ops->end(sink->next, info);
}

static const BbgwSinkOps codec_ops = {
	.begin = codec_begin,
	.reserve = codec_reserve,
	.write = codec_write,
	.end = codec_end,
};

/*
 * A stage that compresses for the next one.  At levels that take long it calls
 * "before_blocking", if not NULL, before it compresses a block.
 */
BbgwSink *
bbgw_sink_codec_new(BbgwSink *next, const BbgwCodec *codec, int level,
					void (*before_blocking) (void))
{
	CodecSink  *csink = palloc0(sizeof(CodecSink));

	csink->base.ops = &codec_ops;
	csink->base.next = next;
	csink->codec = codec;
	csink->state = codec->create(level);
	if (level >= codec->slow_level)
		csink->before_block = before_blocking;
	return &csink->base;
}

/*
 * The codec of a compression; NULL if it is none.
 */
const BbgwCodec *
bbgw_codec(BbgwCompression compression)
{
	switch (compression)
	{
		case BBGW_COMPRESSION_NONE:
			return NULL;
		case BBGW_COMPRESSION_GZIP:
			return &bbgw_codec_gzip;
		case BBGW_COMPRESSION_LZ4:
			return &bbgw_codec_lz4;
		case BBGW_COMPRESSION_ZSTD:
			return &bbgw_codec_zstd;
	}
	elog(ERROR, "unknown compression %d", (int) compression);
}
