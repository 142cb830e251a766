/*-------------------------------------------------------------------------
 *
 * preserve.c
 *	  Preserves what a transaction would unlink, for the backups that need it.
 *
 * Whatever goes wrong here is the backups' misfortune and not the transaction's:
 * they are marked as failed, in shared memory, before a file goes.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/storage.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "guard/guard_parties.h"
#include "guard/pending.h"
#include "guard/preserve.h"
#include "guard/registry.h"

/* Files that a transaction leaves behind */
typedef struct Preserving
{
	BbgwPreserved *records;
	RelFileLocator *files;		/* the same */
	int			n;
	int			appended;		/* the first ones are in the registry */
} Preserving;

/*
 * Marks a backup as failed, or (0) all that have their guard armed in this
 * database.  Raises nothing.
 */
static void
fail_backups(int64 id, const ErrorData *edata)
{
	LWLockAcquire(bbgw_guards->lock, LW_EXCLUSIVE);
	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwGuard  *guard = &bbgw_guards->guards[i];
		PGPROC	   *owner;

		if (guard->database != MyDatabaseId || guard->failed ||
			(id != 0 && id != guard->backup_id))
			continue;
		bbgw_error_capture(&guard->error, edata);
		guard->failed = true;
		owner = BackendPidGetProc(guard->owner_pid);
		if (owner)
			SetLatch(&owner->procLatch);
	}
	LWLockRelease(bbgw_guards->lock);
}

static void
fail_for_limit(const BbgwParty *party)
{
	ErrorData	edata = {0};

	edata.sqlerrcode = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	edata.message = psprintf("files preserved for the backup would take more than backup_bgw.max_preserved_size (" UINT64_FORMAT " kB)",
							 party->max_bytes / 1024);
	edata.detail = "Tables were truncated, rewritten or dropped before the backup had read them.";
	edata.hint = "Increase backup_bgw.max_preserved_size, or make backups when fewer such commands run.";
	fail_backups(party->id, &edata);
}

static uint64
file_size(const RelFileLocator *locator)
{
	SMgrRelation smgr = smgropen(*locator, INVALID_PROC_NUMBER);
	uint64		blocks = 0;

	/* an empty one has no other forks worth counting */
	for (ForkNumber fork = MAIN_FORKNUM;
		 fork <= VISIBILITYMAP_FORKNUM && (fork == MAIN_FORKNUM || blocks > 0);
		 fork++)
		if (smgrexists(smgr, fork))
			blocks += smgrnblocks(smgr, fork);
	return blocks * BLCKSZ;
}

/*
 * Would the file be more than may be preserved for the backup?
 */
static bool
over_limit(const BbgwParty *party, BbgwNeededFile *file, uint64 bytes)
{
	pg_atomic_uint64 *sum = file ? &party->guard->preserved_bytes :
	&party->guard->early_bytes;

	/* it has been counted if an earlier transaction preserved it, but aborted */
	if (party->max_bytes == 0 ||
		(file && (pg_atomic_read_u32(&file->flags) & BBGW_FILE_PRESERVED) != 0))
		return false;
	return pg_atomic_read_u64(sum) + bytes > party->max_bytes;
}

/*
 * Notes that the backups that need a file have it preserved.  Returns false if
 * there are none.
 */
static bool
preserve_file(BbgwParties *parties, const RelFileLocator *locator,
			  uint64 *bytes)
{
	bool		needed = false;

	*bytes = 0;
	for (int i = 0; i < parties->n; i++)
	{
		BbgwParty  *party = &parties->party[i];
		BbgwNeededFile *file;

		if (!bbgw_party_needs(party, locator->spcOid, locator->relNumber,
							  &file))
			continue;
		if (*bytes == 0)
			*bytes = file_size(locator);

		if (over_limit(party, file, *bytes))
		{
			fail_for_limit(party);
			party->guard = NULL;
		}
		else if (bbgw_party_mark(party, file, *bytes))
			needed = true;
	}
	return needed;
}

/*
 * Writes those of the files about to be unlinked that a backup needs into the
 * registry.
 */
static void
preserve_files(BbgwParties *parties, const RelFileLocator *files, int nfiles,
			   Preserving *preserving)
{
	RelFileLocator *created;
	int			ncreated = smgrGetPendingDeletes(false, &created);

	preserving->records = palloc_extended(nfiles * sizeof(BbgwPreserved),
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	preserving->files = palloc_extended(nfiles * sizeof(RelFileLocator),
										MCXT_ALLOC_HUGE);

	/* files of this transaction's own making are in no snapshot */
	if (ncreated > 0)
		qsort(created, ncreated, sizeof(RelFileLocator), bbgw_compare_locators);

	for (int i = 0; i < nfiles; i++)
	{
		const RelFileLocator *locator = &files[i];
		BbgwPreserved *record = &preserving->records[preserving->n];

		if (locator->dbOid != MyDatabaseId ||
			(ncreated > 0 &&
			 bsearch(locator, created, ncreated, sizeof(RelFileLocator),
					 bbgw_compare_locators)) ||
			!preserve_file(parties, locator, &record->bytes))
			continue;

		record->xid = GetTopFullTransactionId();
		record->since = GetCurrentTimestamp();
		record->tablespace = locator->spcOid;
		record->number = locator->relNumber;
		record->live = 1;
		preserving->files[preserving->n++] = *locator;
	}
	if (preserving->n > 0)
		bbgw_registry_append(preserving->records, preserving->n,
							 &preserving->appended);
}

/*
 * Of the files that a commit is about to unlink, without having been looked at
 * before: fails the backups that need one.
 */
static void
fail_for_files(BbgwParties *parties, const RelFileLocator *files, int nfiles)
{
	for (int i = 0; i < nfiles; i++)
	{
		for (int p = 0; p < parties->n && files[i].dbOid == MyDatabaseId; p++)
		{
			BbgwNeededFile *file;
			ErrorData	edata = {0};

			if (!bbgw_party_needs(&parties->party[p], files[i].spcOid,
								  files[i].relNumber, &file))
				continue;
			edata.sqlerrcode = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
			edata.message = psprintf("a file of %s was unlinked before the backup had read it",
									 file ? BBGW_FILE_NAME(parties->party[p].set, file) : "some relation");
			edata.detail = "Some library unlinks files when it is too late to preserve them.";
			edata.hint = "Name backup_bgw before other libraries in shared_preload_libraries.";
			fail_backups(parties->party[p].id, &edata);
			parties->party[p].guard = NULL;
		}
	}
}

/*
 * preserve_files(), or if it is too late for that fail_for_files(), whose errors
 * become those of the backups.
 *
 * What is in the registry by the time of an error has to be preserved all the
 * same: the record of a transaction that has committed must not be about a file
 * that it has unlinked, and whose number may be another relation's then.
 *
 * Returns how many files were taken off the list.
 */
int
bbgw_preserve_files(const RelFileLocator *files, int nfiles, bool late)
{
	int			npreserved;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "backup_bgw guard",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext save_context = MemoryContextSwitchTo(context);
	ResourceOwner save_owner = CurrentResourceOwner;
	ResourceOwner owner = ResourceOwnerCreate(save_owner, "backup_bgw guard");
	Preserving *preserving = palloc0(sizeof(Preserving));
	uint32		save_holdoff = InterruptHoldoffCount;

	PG_TRY();
	{
		BbgwParties *parties;

		CurrentResourceOwner = owner;
		parties = bbgw_parties_find();
		if (late)
			fail_for_files(parties, files, nfiles);
		else if (parties->n > 0)
			preserve_files(parties, files, nfiles, preserving);
		bbgw_parties_free(parties);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();

		/* after the commit record they are held, and an error lets them go */
		InterruptHoldoffCount = save_holdoff;

		/* nobody holds one when a transaction is about to commit */
		LWLockReleaseAll();
		bbgw_abort_buffer_io();
		UnlockBuffers();

		ereport(LOG_SERVER_ONLY,
				(errcode(edata->sqlerrcode),
				 errmsg("could not preserve files for a backup: %s", edata->message)));
		fail_backups(0, edata);
	}
	PG_END_TRY();

	/* as in an abort: there may be something left after an error */
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
	CurrentResourceOwner = save_owner;
	ResourceOwnerDelete(owner);

	npreserved = preserving->appended;
	if (npreserved > 0)
		bbgw_pending_remove(preserving->files, npreserved);
	MemoryContextSwitchTo(save_context);
	MemoryContextDelete(context);
	return npreserved;
}
