/*-------------------------------------------------------------------------
 *
 * sink_file.c
 *	  Last stage of a sink: writes a file, and checksums what it writes.
 *
 * The file is opened as a virtual file descriptor, which outlives
 * transactions: a worker may end one in the middle of a file.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "storage/fd.h"
#include "utils/wait_event.h"

#include "archive/sink.h"

#define BUFFER_SIZE (256 * 1024)

/* with sync_later, bigger files are nevertheless made durable at their end */
#define SYNC_LATER_MAX (1024 * 1024)

typedef struct FileSink
{
	BbgwSink	base;
	pg_atomic_uint64 *bytes_written;
	void		(*before_blocking) (void);
	bool		sync_later;
	File		file;
	char	   *path;
	off_t		offset;
	pg_checksum_context checksum;
	int			used;			/* of the buffer */
	char		buffer[BUFFER_SIZE];
} FileSink;

static void
may_block(FileSink *fsink)
{
	if (fsink->before_blocking)
		fsink->before_blocking();
}

static void
file_begin(BbgwSink *sink, const char *path)
{
	FileSink   *fsink = (FileSink *) sink;

	fsink->path = MemoryContextStrdup(GetMemoryChunkContext(sink), path);
	may_block(fsink);
	fsink->file = PathNameOpenFilePerm(path,
									   O_RDWR | O_CREAT | O_TRUNC | PG_BINARY,
									   0600);
	if (fsink->file < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	fsink->offset = 0;
	fsink->used = 0;
	if (pg_checksum_init(&fsink->checksum, CHECKSUM_TYPE_CRC32C) < 0)
		elog(ERROR, "could not initialize checksum of file \"%s\"", path);
}

/*
 * Writes what is in the buffer.
 */
static void
write_out(FileSink *fsink)
{
	const char *data = fsink->buffer;

	may_block(fsink);
	while (fsink->used > 0)
	{
		int			written;

		errno = 0;
		written = bbgw_file_write(fsink->file, data, fsink->used,
								  fsink->offset, PG_WAIT_EXTENSION);
		if (written <= 0)
		{
			/* a short write that does not say why means the disk is full */
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", fsink->path)));
		}
		data += written;
		fsink->used -= written;
		fsink->offset += written;
		pg_atomic_fetch_add_u64(fsink->bytes_written, written);
	}
}

static void
file_write(BbgwSink *sink, const char *data, size_t len)
{
	FileSink   *fsink = (FileSink *) sink;

	if (pg_checksum_update(&fsink->checksum, (const uint8 *) data, len) < 0)
		elog(ERROR, "could not update checksum of file \"%s\"", fsink->path);

	while (len > 0)
	{
		size_t		n = Min(len, (size_t) (BUFFER_SIZE - fsink->used));

		memcpy(fsink->buffer + fsink->used, data, n);
		fsink->used += (int) n;
		data += n;
		len -= n;
		if (fsink->used == BUFFER_SIZE)
			write_out(fsink);
	}
}

static void
file_end(BbgwSink *sink, BbgwFileInfo *info)
{
	FileSink   *fsink = (FileSink *) sink;
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];

	write_out(fsink);
	info->size = fsink->offset;
	info->mtime = (pg_time_t) time(NULL);
	info->checksum_len = pg_checksum_final(&fsink->checksum, checksum);
	Assert(info->checksum_len == sizeof(info->checksum));
	memcpy(info->checksum, checksum, sizeof(info->checksum));

	if ((!fsink->sync_later || fsink->offset > SYNC_LATER_MAX) &&
		FileSync(fsink->file, PG_WAIT_EXTENSION) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", fsink->path)));
	FileClose(fsink->file);
	pfree(fsink->path);
}

static const BbgwSinkOps file_ops = {
	.begin = file_begin,
	.write = file_write,
	.end = file_end,
};

/*
 * A stage that writes files and adds their bytes to *bytes_written.
 */
BbgwSink *
bbgw_sink_file_new(pg_atomic_uint64 *bytes_written,
				   void (*before_blocking) (void), bool sync_later)
{
	FileSink   *fsink = palloc0(sizeof(FileSink));

	fsink->base.ops = &file_ops;
	fsink->bytes_written = bytes_written;
	fsink->before_blocking = before_blocking;
	fsink->sync_later = sync_later;
	return &fsink->base;
}

/*
 * Makes a chain for the compression given; its files' bytes are added to
 * *bytes_written as they are written.  "before_blocking" may be
 * NULL, if there is nothing that others could wait for.  With "sync_later",
 * somebody else sees to it that small files become durable.
 */
BbgwSink *
bbgw_sink_create(BbgwCompression compression, int level,
				 pg_atomic_uint64 *bytes_written,
				 void (*before_blocking) (void), bool sync_later)
{
	BbgwSink   *sink = bbgw_sink_file_new(bytes_written, before_blocking,
										  sync_later);

	if (compression == BBGW_COMPRESSION_LZ4)
		sink = bbgw_sink_lz4_new(sink, level);
	return sink;
}

/*
 * Begins a file, overwriting what is there.
 */
void
bbgw_sink_begin(BbgwSink *sink, const char *path)
{
	sink->ops->begin(sink, path);
}

/*
 * Completes the file, makes it durable unless that is done later, and tells
 * about it.
 */
void
bbgw_sink_end(BbgwSink *sink, BbgwFileInfo *info)
{
	sink->ops->end(sink, info);
}
