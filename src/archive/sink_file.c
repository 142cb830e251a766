/*-------------------------------------------------------------------------
 *
 * sink_file.c
 *	  Last stage of a sink: writes a file, and checksums what it writes.
 *
 * The file is opened as a virtual file descriptor, which outlives
 * transactions: a worker may end one in the middle of a file.
 *
 * Data goes to the kernel in big pieces, and the kernel is told to write it to
 * the disk at once, so that the fsync at the end has little left to do.  Nobody
 * is going to read it soon, so what has been written leaves the page cache
 * again, where others have their working set.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <time.h>

#include "storage/fd.h"
#include "utils/wait_event.h"

#include "archive/codec.h"
#include "archive/sink.h"

/* there is always room in the buffer for what may be reserved */
#define WRITE_SIZE (1024 * 1024)
#define BUFFER_SIZE (WRITE_SIZE + BBGW_SINK_MAX_RESERVE)

/* what is not the end of the file is written in multiples of this */
#define WRITE_ALIGN 4096

/* what is written goes to the disk in steps of this size */
#define WRITEBEHIND_SIZE (8 * 1024 * 1024)

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
	off_t		offset;			/* what the kernel has */
	off_t		flushed;		/* what it was told to write to the disk */
	off_t		dropped;		/* and to forget */
	pg_checksum_context checksum;
	size_t		used;			/* of the buffer */
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
	fsink->flushed = 0;
	fsink->dropped = 0;
	fsink->used = 0;
	if (pg_checksum_init(&fsink->checksum, CHECKSUM_TYPE_CRC32C) < 0)
		elog(ERROR, "could not initialize checksum of file \"%s\"", path);
}

/*
 * Takes the file, up to "end", out of the page cache, as far as it is on disk.
 */
static void
drop_cache(FileSink *fsink, off_t end)
{
#if defined(POSIX_FADV_DONTNEED)
	int			fd = FileGetRawDesc(fsink->file);

	/* it is closed while the process needs others more */
	if (end > fsink->dropped && fd >= 0)
		(void) posix_fadvise(fd, fsink->dropped, end - fsink->dropped,
							 POSIX_FADV_DONTNEED);
#endif
	fsink->dropped = end;
}

/*
 * Has the kernel write to the disk, and forget what it was told to write the
 * time before.  Where it does not do as it is told, nothing is lost.
 */
static void
write_behind(FileSink *fsink)
{
	if (fsink->offset - fsink->flushed < WRITEBEHIND_SIZE)
		return;
	FileWriteback(fsink->file, fsink->flushed, fsink->offset - fsink->flushed,
				  PG_WAIT_EXTENSION);
	drop_cache(fsink, fsink->flushed);
	fsink->flushed = fsink->offset;
}

/*
 * Writes the first bytes of the buffer.
 */
static void
write_out(FileSink *fsink, size_t len)
{
	const char *data = fsink->buffer;
	const char *end = data + len;

	may_block(fsink);
	while (data < end)
	{
		int			written;

		errno = 0;
		written = bbgw_file_write(fsink->file, data, (int) (end - data),
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
		fsink->offset += written;
		pg_atomic_fetch_add_u64(fsink->bytes_written, written);
	}
	fsink->used -= len;
	memmove(fsink->buffer, end, fsink->used);
	write_behind(fsink);
}

static char *
file_reserve(BbgwSink *sink, size_t len)
{
	FileSink   *fsink = (FileSink *) sink;

	Assert(len <= BBGW_SINK_MAX_RESERVE);
	if (fsink->used >= WRITE_SIZE)
		write_out(fsink, TYPEALIGN_DOWN(WRITE_ALIGN, fsink->used));
	return fsink->buffer + fsink->used;
}

static void
file_write(BbgwSink *sink, const char *data, size_t len)
{
	FileSink   *fsink = (FileSink *) sink;

	if (pg_checksum_update(&fsink->checksum, (const uint8 *) data, len) < 0)
		elog(ERROR, "could not update checksum of file \"%s\"", fsink->path);

	if (data == fsink->buffer + fsink->used)
	{
		Assert(len <= BUFFER_SIZE - fsink->used);
		fsink->used += len;
		return;
	}
	while (len > 0)
	{
		size_t		n = Min(len, BBGW_SINK_MAX_RESERVE);

		memcpy(file_reserve(sink, n), data, n);
		fsink->used += n;
		data += n;
		len -= n;
	}
}

static void
file_end(BbgwSink *sink, BbgwFileInfo *info)
{
	FileSink   *fsink = (FileSink *) sink;
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];

	write_out(fsink, fsink->used);
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
	if (fsink->dropped > 0)
		drop_cache(fsink, fsink->offset);
	FileClose(fsink->file);
	pfree(fsink->path);
}

static const BbgwSinkOps file_ops = {
	.begin = file_begin,
	.reserve = file_reserve,
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
	const BbgwCodec *codec = bbgw_codec(compression);
	BbgwSink   *sink = bbgw_sink_file_new(bytes_written, before_blocking,
										  sync_later);

	if (codec)
		sink = bbgw_sink_codec_new(sink, codec, level, before_blocking);
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
