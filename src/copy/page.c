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
 * Nobody writes a page that has no buffer, so the file has the last version.
 * If the page gets a buffer meanwhile, and is changed and written, what was
 * read may be a mixture; it is read until it is twice the same.  Whichever
 * version that is, it has all rows that S sees, at their places.
 *
 * What is not in a buffer cannot have hints set, for which the server's
 * functions for visibility want a buffer.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/fd.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "copy/page.h"

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

static bool
read_from_file(RelFileLocator locator, BlockNumber block, char *page)
{
	PGAlignedBlock before;
	off_t		offset = (off_t) (block % RELSEG_SIZE) * BLCKSZ;
	uint32		segment = block / RELSEG_SIZE;
	char	   *path = bbgw_relation_path(locator.dbOid, locator.spcOid,
										  locator.relNumber, MAIN_FORKNUM);
	int			fd;
	bool		there;

	if (segment > 0)
		path = psprintf("%s.%u", path, segment);
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
	{
		if (errno == ENOENT && segment > 0)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	}
	there = read_once(fd, path, offset, page);
	do
	{
		memcpy(before.data, page, BLCKSZ);
		there = there && read_once(fd, path, offset, page);
	} while (there && memcmp(before.data, page, BLCKSZ) != 0);
	CloseTransientFile(fd);
	pfree(path);
	return there;
}

/*
 * Reads a block of a heap as of S, with or without a lock on it.  "page" has
 * room for BLCKSZ bytes, aligned as a page must be.  Returns false if the file
 * ends before the block: VACUUM has cut it off, and with it only such that S
 * sees no rows in.  Raises an error if the page is damaged.
 */
bool
bbgw_page_read(Relation rel, BlockNumber block, char *page)
{
	RelFileLocator locator = bbgw_relation_locator(rel);

	if (copy_from_buffer(locator, block, page))
		return true;
	if (!read_from_file(locator, block, page))
		return false;
	if (!bbgw_page_is_verified(page, block))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid page in block %u of relation \"%s\"", block,
						RelationGetRelationName(rel))));
	return true;
}

/*
 * Does a snapshot see what a transaction has done?  "committed": it is known to
 * have committed.
 */
static bool
sees_transaction(Snapshot snapshot, TransactionId xid, bool committed)
{
	return !XidInMVCCSnapshot(xid, snapshot) &&
		(committed || TransactionIdDidCommit(xid));
}

/*
 * Does an MVCC snapshot, taken by another transaction than this one, see a
 * row?  As HeapTupleSatisfiesMVCC(), which needs the buffer of the row.  Needs
 * pg_xact and pg_multixact to reach back to the snapshot.
 */
bool
bbgw_page_sees(Snapshot snapshot, HeapTupleHeader tuple)
{
	uint16		infomask = tuple->t_infomask;
	bool		committed = HeapTupleHeaderXminCommitted(tuple);

	if (HeapTupleHeaderXminInvalid(tuple))
		return false;
	if (!committed && (infomask & HEAP_MOVED) != 0)
	{
		/* by VACUUM FULL of a server before 9.0 */
		if (TransactionIdDidCommit(HeapTupleHeaderGetXvac(tuple)) !=
			((infomask & HEAP_MOVED_IN) != 0))
			return false;
	}
	else if (!HeapTupleHeaderXminFrozen(tuple) &&
			 !sees_transaction(snapshot, HeapTupleHeaderGetRawXmin(tuple),
							   committed))
		return false;

	if ((infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(infomask))
		return true;
	return !sees_transaction(snapshot, HeapTupleHeaderGetUpdateXid(tuple),
							 (infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_IS_MULTI)) == HEAP_XMAX_COMMITTED);
}
