/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Pages of tables that others have locked, in memory of one's own.
 *
 * Without a lock on its table a page cannot be read into a shared buffer.
 * VACUUM, when it cuts empty pages off the end of a table, throws away their
 * buffers first and then truncates the file; one that came back in between
 * would be in the way of whoever extends the table, until it is evicted.  Nor
 * can a page that has a buffer be kept pinned: VACUUM would spin until it is
 * not.
 *
 * So a page is copied from its buffer, or, if it has none, from the file.
 * That has the last version then: nobody writes a page that has no buffer.  But
 * VACUUM does not write what it throws away.  Between that and the truncation the
 * file has an old version, with rows whose deletion it does not know of.  So
 * the page is read twice, with a look in between whether VACUUM has the table.
 * If both times an old version is there, it has.
 *
 * If the page gets a buffer meanwhile, and is changed and written, what was
 * read may be a mixture.  It is read until it is twice the same.  Whichever
 * version that is, it has all rows that S sees, at their places.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/fd.h"

#include "compat.h"
#include "copy/page.h"
#include "copy/tablelock.h"
#include "snapshot/storage.h"

/* how often a page whose checksum is wrong is read, as it may be a mixture */
#define MAX_TRIES 10

/*
 * Copies a page from its buffer.  Returns false if it has none.
 */
static bool
copy_from_buffer(RelFileLocator locator, BlockNumber block, char *page)
{
	BufferTag	tag;
	uint32		hash;
	LWLock	   *lock;
	int			id;
	Buffer		buffer;

	InitBufferTag(&tag, &locator, MAIN_FORKNUM, block);
	hash = BufTableHashCode(&tag);
	lock = BufMappingPartitionLock(hash);
	LWLockAcquire(lock, LW_SHARED);
	id = BufTableLookup(&tag, hash);
	LWLockRelease(lock);
	buffer = id + 1;
	if (id < 0 || !ReadRecentBuffer(locator, MAIN_FORKNUM, block, buffer))
		return false;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return true;
}

/*
 * Reads a page from an open segment of the file.  Returns false if the file ends
 * before, or in, it.
 */
static bool
read_once(int fd, const char *path, off_t offset, char *page)
{
	int			done = 0;

	while (done < BLCKSZ)
	{
		ssize_t		n = pg_pread(fd, page + done, BLCKSZ - done, offset + done);

		if (n == 0)
			return false;
		if (n < 0 && errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", path)));
		if (n > 0)
			done += (int) n;
	}
	return true;
}

static BbgwPageResult
read_from_file(const BbgwTable *table, int fd, const char *path,
			   BlockNumber block, char *page)
{
	off_t		offset = (off_t) (block % RELSEG_SIZE) * BLCKSZ;
	PGAlignedBlock before;
	int			tries = 0;

	do
	{
		if (!read_once(fd, path, offset, before.data))
			return BBGW_PAGE_CUT_OFF;
		if (bbgw_tablelock_vacuumed(table))
			return BBGW_PAGE_BUSY;
		if (!read_once(fd, path, offset, page))
			return BBGW_PAGE_CUT_OFF;
	} while (memcmp(before.data, page, BLCKSZ) != 0 ||
			 (!bbgw_page_is_verified(page, block) && ++tries < MAX_TRIES));
	return BBGW_PAGE_READ;
}

/*
 * Reads a block of a heap as of S, with or without a lock on the table.  "page"
 * has room for BLCKSZ bytes, aligned as a page must be.  If the file ends before
 * the block, VACUUM has cut it off, and with it only such that S sees no rows
 * in.  Raises an error if the page is damaged.
 */
BbgwPageResult
bbgw_page_read(const BbgwTable *table, Relation rel, BlockNumber block,
			   char *page)
{
	RelFileLocator locator = bbgw_relation_locator(rel);
	uint32		segment = block / RELSEG_SIZE;
	char	   *path;
	int			fd;
	BbgwPageResult result;

	if (copy_from_buffer(locator, block, page))
		return BBGW_PAGE_READ;

	path = bbgw_storage_segment_path(locator.dbOid, locator.spcOid,
									 locator.relNumber, segment);
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
	{
		if (errno == ENOENT && segment > 0)
			return BBGW_PAGE_CUT_OFF;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	}
	result = read_from_file(table, fd, path, block, page);
	CloseTransientFile(fd);
	pfree(path);
	if (result == BBGW_PAGE_READ && !bbgw_page_is_verified(page, block))
	{
		/* as the server does */
		ereport(zero_damaged_pages ? WARNING : ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid page in block %u of relation \"%s\"", block,
						RelationGetRelationName(rel))));
		memset(page, 0, BLCKSZ);
	}
	return result;
}
