/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Preserved files of a database, written down where crashes and standbys
 *	  keep them.
 *
 * A preserved file that nobody remembers is lost disk space.  So before a
 * transaction commits that leaves one behind, it says so in its database's
 * registry.  The registry is a file in the database's directory, of pages in
 * shared buffers, whose changes are written to the WAL: they are flushed with,
 * and before, the commit record; they are there again after a crash; and a
 * standby has them too, so that it can clean up when it is promoted, as can a
 * server restored to a moment in the middle of a backup.
 *
 * Records are not transactional.  One may be about a transaction that has
 * aborted, or that is still in progress or prepared: sweep.c finds out.
 *
 * No relation owns the file.  Its number is one of those that the server
 * leaves to others (8000 to 9999 are never used by a release), and the pages
 * are in the fork of the visibility map, there being no main fork: files of
 * other forks than the main one are unlinked at once, not by the next
 * checkpoint.
 *
 *	 base/<database>/<9700 to 9955>_vm
 *		 page header, RegistryPage, records until pd_lower
 *
 * The file is made with the first record and dropped when none is left; a
 * database without preserved files has no registry, others have one.  Whoever
 * adds a record looks for the file when all others are kept from making one,
 * so that there is never a second.  (If one comes from somewhere, it is read and
 * swept as well.)  The next one gets another number, as the checkpointer may still
 * have the dropped file open, and would write pages of the next one into that.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/generic_xlog.h"
#include "access/xact.h"
#include "access/xlogutils.h"
#include "catalog/storage_xlog.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"

#include "guard/guard_shmem.h"
#include "guard/pending.h"
#include "guard/registry.h"

#define FIRST_NUMBER   9700
#define NUMBERS		   256
#define REGISTRY_FORK  VISIBILITYMAP_FORKNUM
#define REGISTRY_MAGIC 0x62677702	/* last byte: version of the format */

typedef struct RegistryPage
{
	uint32		magic;
	uint32		nrecords;
	BbgwPreserved records[FLEXIBLE_ARRAY_MEMBER];
} RegistryPage;

#define ROOM_ON_PAGE \
	(BLCKSZ - MAXALIGN(SizeOfPageHeaderData) - \
	 offsetof(RegistryPage, records))
#define RECORDS_PER_PAGE (ROOM_ON_PAGE / sizeof(BbgwPreserved))

static RelFileLocator
registry_locator(RelFileNumber registry)
{
	RelFileLocator locator;

	locator.spcOid = MyDatabaseTableSpace;
	locator.dbOid = MyDatabaseId;
	locator.relNumber = registry;
	return locator;
}

static Relation
open_registry(RelFileNumber registry)
{
	return bbgw_fake_relation(registry_locator(registry));
}

static RegistryPage *
page_contents(Page page)
{
	RegistryPage *contents = (RegistryPage *) PageGetContents(page);

	if (contents->magic != REGISTRY_MAGIC ||
		contents->nrecords > RECORDS_PER_PAGE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unexpected data in the registry of preserved files of database %u",
						MyDatabaseId)));
	return contents;
}

static LOCKTAG
lock_tag(void)
{
	LOCKTAG		tag;

	/* of no advisory lock that users can take: the last number is theirs */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0x62677700, 0, 3);
	return tag;
}

/*
 * Keeps others from arming a guard and from sweeping in the current database,
 * until bbgw_registry_unlock(), whatever transactions end meanwhile.  May
 * wait.
 */
void
bbgw_registry_lock(void)
{
	LOCKTAG		tag = lock_tag();

	(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

void
bbgw_registry_unlock(void)
{
	LOCKTAG		tag = lock_tag();

	(void) LockRelease(&tag, ExclusiveLock, true);
}

static bool
registry_exists(Oid tablespace, Oid database, RelFileNumber number)
{
	char	   *path = bbgw_relation_path(database, tablespace, number,
										  REGISTRY_FORK);
	bool		exists = access(path, F_OK) == 0;

	pfree(path);
	return exists;
}

/*
 * The number of a database's registry, or InvalidRelFileNumber if it has none.
 * "tablespace" is the database's own.  Can be asked from any database.  To see
 * whether there is another one give the last number found as "after", else
 * InvalidRelFileNumber.
 */
RelFileNumber
bbgw_registry_find(Oid tablespace, Oid database, RelFileNumber after)
{
	for (RelFileNumber number = Max(FIRST_NUMBER, after + 1);
		 number < FIRST_NUMBER + NUMBERS; number++)
		if (registry_exists(tablespace, database, number))
			return number;
	return InvalidRelFileNumber;
}

/*
 * The number of the registry to be added to, be it there or not yet.  The caller
 * has registry_lock exclusively, and has it until the registry is there.
 */
static RelFileNumber
registry_to_append(void)
{
	static RelFileNumber last = InvalidRelFileNumber;

	if (last == InvalidRelFileNumber ||
		!registry_exists(MyDatabaseTableSpace, MyDatabaseId, last))
		last = bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
								  InvalidRelFileNumber);
	if (last == InvalidRelFileNumber)
		last = FIRST_NUMBER +
			pg_atomic_fetch_add_u32(&bbgw_guards->next_registry, 1) % NUMBERS;
	return last;
}

/*
 * Adds records of the current database, making the registry if need be.  They
 * are as durable as whatever the caller writes to the WAL next.
 *
 * Needs a transaction that has an ID, and a resource owner that the caller
 * releases if an error is raised.  "appended" says at any time how many of the
 * records, the first ones, have been added, also after an error.
 */
void
bbgw_registry_append(const BbgwPreserved *records, int n, int *appended)
{
	RelFileNumber registry;
	Relation	rel;
	BlockNumber nblocks;

	Assert(TransactionIdIsValid(GetTopTransactionIdIfAny()));
	*appended = 0;
	LWLockAcquire(bbgw_guards->registry_lock, LW_EXCLUSIVE);
	registry = registry_to_append();
	rel = open_registry(registry);
	if (!smgrexists(RelationGetSmgr(rel), REGISTRY_FORK))
	{
		RelFileLocator locator = registry_locator(registry);

		smgrcreate(RelationGetSmgr(rel), REGISTRY_FORK, false);
		log_smgrcreate(&locator, REGISTRY_FORK);
	}
	nblocks = smgrnblocks(RelationGetSmgr(rel), REGISTRY_FORK);

	/* the last page first, then new ones */
	while (*appended < n)
	{
		bool		extend = nblocks == 0;
		Buffer		buffer = ReadBufferExtended(rel, REGISTRY_FORK,
												extend ? P_NEW : nblocks - 1,
												RBM_NORMAL, NULL);
		GenericXLogState *state;
		Page		page;
		RegistryPage *contents;
		uint32		room;
		bool		is_new;

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		state = GenericXLogStart(rel);
		is_new = PageIsNew(BufferGetPage(buffer));
		/* redo takes nothing less, with full_page_writes = off, too */
		page = GenericXLogRegisterBuffer(state, buffer,
										 is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
		if (is_new)
		{
			PageInit(page, BLCKSZ, 0);
			((RegistryPage *) PageGetContents(page))->magic = REGISTRY_MAGIC;
		}
		contents = page_contents(page);
		room = Min(RECORDS_PER_PAGE - contents->nrecords,
				   (uint32) (n - *appended));
		for (uint32 i = 0; i < room; i++)
		{
			BbgwPreserved *record = &contents->records[contents->nrecords++];

			/* the database may be moved to another tablespace */
			*record = records[*appended + i];
			if (record->tablespace == MyDatabaseTableSpace)
				record->tablespace = InvalidOid;
		}
		((PageHeader) page)->pd_lower =
			(char *) &contents->records[contents->nrecords] - (char *) page;
		GenericXLogFinish(state);
		*appended += (int) room;
		UnlockReleaseBuffer(buffer);
		nblocks = 0;
	}

	LWLockRelease(bbgw_guards->registry_lock);
	FreeFakeRelcacheEntry(rel);
}

/*
 * Reads all live records of a registry, if it is there, as a palloc'd array.
 * Needs a transaction.
 */
BbgwPreservedAt *
bbgw_registry_read(RelFileNumber registry, int *n)
{
	BbgwPreservedAt *records = NULL;
	Relation	rel = open_registry(registry);
	BlockNumber nblocks = 0;
	int			size = 0;

	*n = 0;
	LWLockAcquire(bbgw_guards->registry_lock, LW_SHARED);
	if (smgrexists(RelationGetSmgr(rel), REGISTRY_FORK))
		nblocks = smgrnblocks(RelationGetSmgr(rel), REGISTRY_FORK);

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer		buffer = ReadBufferExtended(rel, REGISTRY_FORK, block,
												RBM_NORMAL, NULL);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!PageIsNew(BufferGetPage(buffer)))
		{
			RegistryPage *contents = page_contents(BufferGetPage(buffer));
			Size		bytes;

			size += contents->nrecords;
			bytes = Max(size, 1) * sizeof(BbgwPreservedAt);
			records = records ? repalloc_huge(records, bytes) :
				palloc_extended(bytes, MCXT_ALLOC_HUGE);
			for (uint32 i = 0; i < contents->nrecords; i++)
			{
				if (!contents->records[i].live)
					continue;
				records[*n].record = contents->records[i];
				if (!OidIsValid(contents->records[i].tablespace))
					records[*n].record.tablespace = MyDatabaseTableSpace;
				records[*n].block = block;
				records[*n].index = i;
				(*n)++;
			}
		}
		UnlockReleaseBuffer(buffer);
	}
	LWLockRelease(bbgw_guards->registry_lock);
	FreeFakeRelcacheEntry(rel);
	return records;
}

/*
 * Reads all live records of all registries of the current database.
 */
BbgwPreservedAt *
bbgw_registry_read_all(int *n)
{
	RelFileNumber registry = InvalidRelFileNumber;
	BbgwPreservedAt *all = NULL;

	*n = 0;
	while ((registry = bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
										  registry)) != InvalidRelFileNumber)
	{
		int			more;
		BbgwPreservedAt *records = bbgw_registry_read(registry, &more);

		if (*n == 0)
			all = records;
		else if (more > 0)
		{
			all = repalloc_huge(all, (*n + more) * sizeof(BbgwPreservedAt));
			memcpy(all + *n, records, more * sizeof(BbgwPreservedAt));
		}
		*n += more;
	}
	return all;
}

/*
 * Writes records that bbgw_registry_read() has returned, and the caller has
 * changed, back to where they were.  They are in the order in which they were
 * read.  Needs a transaction, and that no one else does the same.
 */
void
bbgw_registry_update(RelFileNumber registry, const BbgwPreservedAt *records,
					 int n)
{
	Relation	rel = open_registry(registry);

	LWLockAcquire(bbgw_guards->registry_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n;)
	{
		BlockNumber block = records[i].block;
		Buffer		buffer = ReadBufferExtended(rel, REGISTRY_FORK, block,
												RBM_NORMAL, NULL);
		GenericXLogState *state;
		RegistryPage *contents;

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		state = GenericXLogStart(rel);
		contents = page_contents(GenericXLogRegisterBuffer(state, buffer, 0));
		for (; i < n && records[i].block == block; i++)
		{
			BbgwPreserved *record = &contents->records[records[i].index];

			record->unlinker = records[i].record.unlinker;
			record->live = records[i].record.live;
			record->doubtful = records[i].record.doubtful;
		}
		GenericXLogFinish(state);
		UnlockReleaseBuffer(buffer);
	}
	LWLockRelease(bbgw_guards->registry_lock);
	FreeFakeRelcacheEntry(rel);
}

/*
 * Drops a registry when the transaction commits.  The caller knows that nobody
 * adds to it any more.
 */
void
bbgw_registry_drop(RelFileNumber registry)
{
	bbgw_pending_add(registry_locator(registry));
}
