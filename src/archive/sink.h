/*-------------------------------------------------------------------------
 *
 * sink.h
 *	  Where the bytes of a data file go: a chain of stages.
 *
 *	 rowtext.c, large_objects.c ──► [ sink_codec.c ──► ] sink_file.c ──► data file
 *
 * A chain is made by bbgw_sink_create() and serves one file after another:
 *
 *	 begin	once per file
 *	 write	any number of times; the data is the caller's and may be changed as
 *			soon as the call returns
 *	 end	once per file; what a stage kept back goes to the next stage, whose
 *			end it then calls.  The file is complete after that, and durable
 *			unless that is left to bbgw_archive_finish(), as it is for small
 *			files where it can be done for all of them at once.
 *
 * Data that is put where it is wanted is not copied from stage to stage:
 *
 *	 reserve	before a write: says where there is room for so much data, of which
 *			the write is then to hand over any part from its beginning on.  No
 *			other call may be in between.
 *
 * A file system may block for as long as it likes.  Before the chain calls it, it
 * calls the function given when it was made, which gives up what others must
 * not wait for; that can be in each of these calls.  So that it is not too
 * often, the last stage collects data in a buffer.  The same is done before
 * compression that takes long.
 *
 * Errors are raised.  There is nothing to clean up then: a process whose sink
 * failed ends, and the leader removes the whole unfinished archive.
 *
 * A chain lives in the memory context that was current when it was made, and
 * does not care for transactions.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SINK_H
#define BBGW_SINK_H

#include "shmem.h"

#include "common/checksum_helper.h"
#include "pgtime.h"

/*
 * Most that may be reserved for data that is to be compressed; and in a stage
 * after that, of what it becomes at worst.
 */
#define BBGW_SINK_CHUNK (512 * 1024)
#define BBGW_SINK_MAX_RESERVE (BBGW_SINK_CHUNK + 128 * 1024)

/* What there is to say about a finished file. */
typedef struct BbgwFileInfo
{
	uint64		size;
	pg_time_t	mtime;
	int			checksum_len;
	uint8		checksum[4];	/* CRC-32C */
} BbgwFileInfo;

typedef struct BbgwSink BbgwSink;

typedef struct BbgwSinkOps
{
	void		(*begin) (BbgwSink *sink, const char *path);
	char	   *(*reserve) (BbgwSink *sink, size_t len);
	void		(*write) (BbgwSink *sink, const char *data, size_t len);
	void		(*end) (BbgwSink *sink, BbgwFileInfo *info);
} BbgwSinkOps;

/* Each stage embeds this as its first member. */
struct BbgwSink
{
	const BbgwSinkOps *ops;
	BbgwSink   *next;
};

static inline char *
bbgw_sink_reserve(BbgwSink *sink, size_t len)
{
	return sink->ops->reserve(sink, len);
}

static inline void
bbgw_sink_write(BbgwSink *sink, const char *data, size_t len)
{
	sink->ops->write(sink, data, len);
}

extern BbgwSink *bbgw_sink_create(BbgwCompression compression, int level,
								  pg_atomic_uint64 *bytes_written,
								  void (*before_blocking) (void),
								  bool sync_later);
extern void bbgw_sink_begin(BbgwSink *sink, const char *path);
extern void bbgw_sink_end(BbgwSink *sink, BbgwFileInfo *info);

/* sink_file.c */
extern BbgwSink *bbgw_sink_file_new(pg_atomic_uint64 *bytes_written,
									void (*before_blocking) (void),
									bool sync_later);

/* sink_codec.c */
struct BbgwCodec;
extern BbgwSink *bbgw_sink_codec_new(BbgwSink *next,
									 const struct BbgwCodec *codec, int level,
									 void (*before_blocking) (void));

#endif							/* BBGW_SINK_H */
