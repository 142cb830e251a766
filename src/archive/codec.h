/*-------------------------------------------------------------------------
 *
 * codec.h
 *	  Ways to compress data files, each a table of functions in a file of its own.
 *
 * A codec makes blocks smaller, and is called by sink_codec.c, which collects
 * them:
 *
 *	 create	once for a chain of stages; what it returns is handed to the others
 *	 begin	once per file
 *	 block	once for each block of a file, of at most BBGW_SINK_CHUNK; the last one,
 *			which completes the file, may be empty
 *
 * The last two write to where there is room for BBGW_SINK_MAX_RESERVE, and
 * return how much they have written.  Nothing is kept back from one block to the
 * next, so that it is known how much room is enough.
 *
 * A library that was not there when this was built leaves a codec without
 * functions (bbgw_codec_is_built).  Errors are raised.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_CODEC_H
#define BBGW_CODEC_H

#include "archive/sink.h"

typedef struct BbgwCodec
{
	const char *name;			/* for users */
	const char *suffix;			/* of its files, by which pg_restore knows it */
	const char *library;

	void		(*levels) (int *min, int *max);
	int			default_level;	/* may be none of these */
	int			slow_level;		/* from here on a block may take longer than
								 * anybody should wait */

	void	   *(*create) (int level);
	size_t		(*begin) (void *state, char *out);
	size_t		(*block) (void *state, char *out, const char *data, size_t len,
						  bool last);
} BbgwCodec;

static inline bool
bbgw_codec_is_built(const BbgwCodec *codec)
{
	return codec->create != NULL;
}

/* sink_codec.c */
extern const BbgwCodec *bbgw_codec(BbgwCompression compression);

/* codec_gzip.c, codec_lz4.c, codec_zstd.c */
extern const BbgwCodec bbgw_codec_gzip;
extern const BbgwCodec bbgw_codec_lz4;
extern const BbgwCodec bbgw_codec_zstd;

#endif							/* BBGW_CODEC_H */
