/*-------------------------------------------------------------------------
 *
 * guard_parties.c
 *	  The backups that may need files of a database, as others see them.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "guard/guard_parties.h"

/*
 * Attaches a set.  Returns false if it is gone, with its backup; then its handle
 * may already stand for a segment of somebody else.
 */
static bool
attach_set(BbgwParty *party)
{
	dsm_segment *seg = dsm_find_mapping(party->handle);

	if (seg == NULL)
	{
		seg = dsm_attach(party->handle);
		if (seg == NULL)
			return false;
		party->segment = seg;
	}
	party->set = dsm_segment_address(seg);
	return dsm_segment_map_length(seg) >= sizeof(BbgwNeededSet) &&
		party->set->magic == BBGW_NEEDED_MAGIC &&
		party->set->backup_id == party->id;
}

/*
 * The backups whose guard is armed in the current database and has not failed,
 * palloc'd, with their sets attached.  May raise an error.
 */
BbgwParties *
bbgw_parties_find(void)
{
	BbgwParties *parties = palloc0(offsetof(BbgwParties, party) +
								   bbgw_max_backups * sizeof(BbgwParty));

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwGuard  *guard = &bbgw_guards->guards[i];
		BbgwParty  *party = &parties->party[parties->n];

		if (guard->database != MyDatabaseId)
			continue;
		if (guard->failed)
		{
			parties->failing = true;
			continue;
		}
		party->guard = guard;
		party->id = guard->backup_id;
		party->handle = guard->needed;
		party->max_bytes = guard->max_bytes;
		parties->n++;
	}
	LWLockRelease(bbgw_guards->lock);

	for (int i = 0; i < parties->n; i++)
	{
		BbgwParty  *party = &parties->party[i];

		if (party->handle != DSM_HANDLE_INVALID && !attach_set(party))
			party->guard = NULL;
	}
	return parties;
}

/*
 * Gives back what bbgw_parties_find() has attached.
 */
void
bbgw_parties_free(BbgwParties *parties)
{
	for (int i = 0; i < parties->n; i++)
		if (parties->party[i].segment)
			dsm_detach(parties->party[i].segment);
	pfree(parties);
}

/*
 * Does a backup need the file?  Says in *file which one it is in its set; as
 * long as the set is not published there is none, and all are needed.
 */
bool
bbgw_party_needs(const BbgwParty *party, Oid tablespace, RelFileNumber number,
				 BbgwNeededFile **file)
{
	*file = NULL;
	if (party->guard == NULL)
		return false;
	if (party->handle == DSM_HANDLE_INVALID)
		return true;
	*file = bbgw_needed_find(party->set, tablespace, number);
	return *file &&
		(pg_atomic_read_u32(&(*file)->flags) & BBGW_FILE_DONE) == 0;
}

/*
 * Notes that a file is preserved for a backup, and counts it, once.  Returns
 * false if the backup is through with the file after all, or has ended: its
 * guard may be another's by now, whose counters are not to be touched.  Without
 * a set to find it in ("file" is NULL) it counts for as long as there is none.
 */
bool
bbgw_party_mark(const BbgwParty *party, BbgwNeededFile *file, uint64 bytes)
{
	BbgwGuard  *guard = party->guard;
	bool		first = false;
	uint32		before;

	LWLockAcquire(bbgw_guards->lock, LW_SHARED);
	if (guard->database != MyDatabaseId || guard->backup_id != party->id)
	{
		LWLockRelease(bbgw_guards->lock);
		return false;
	}
	if (file == NULL)
	{
		pg_atomic_fetch_add_u64(&guard->early_files, 1);
		pg_atomic_fetch_add_u64(&guard->early_bytes, bytes);
		LWLockRelease(bbgw_guards->lock);
		return true;
	}
	file->bytes = bytes;
	pg_write_barrier();
	before = pg_atomic_fetch_or_u32(&file->flags, BBGW_FILE_PRESERVED);
	if ((before & (BBGW_FILE_DONE | BBGW_FILE_PRESERVED)) == 0)
	{
		pg_atomic_fetch_add_u64(&guard->preserved_bytes, bytes);
		first = pg_atomic_fetch_add_u64(&guard->files_preserved, 1) == 0;
	}
	LWLockRelease(bbgw_guards->lock);

	if (first)
		ereport(LOG_SERVER_ONLY,
				(errmsg("backup " INT64_FORMAT ": file of %s is preserved, the first one",
						party->id, BBGW_FILE_NAME(party->set, file)),
				 errdetail("Its size is " UINT64_FORMAT " bytes. It will be unlinked when the backup has read it.",
						   bytes)));
	return (before & BBGW_FILE_DONE) == 0;
}

/*
 * The id of one of the backups that need a file, or 0 if there is none.  In
 * *name and *kind, if "name" is given, what relation the file belongs to,
 * unless it is in nobody's set.
 */
int64
bbgw_parties_need(const BbgwParties *parties, Oid tablespace,
				  RelFileNumber number,
				  const char **name, char *kind)
{
	int64		id = 0;

	for (int i = 0; i < parties->n; i++)
	{
		const BbgwParty *party = &parties->party[i];
		BbgwNeededFile *file;

		if (bbgw_party_needs(party, tablespace, number, &file))
			id = party->id;
		if (file && name)
		{
			*name = BBGW_FILE_NAME(party->set, file);
			*kind = file->kind;
		}
	}
	return id;
}
