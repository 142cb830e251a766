/*-------------------------------------------------------------------------
 *
 * tablelock.c
 *	  The locks of the table that a worker reads, given up when others want them.
 *
 * As of S a worker can read a table whatever others do to it.  Its definition
 * is that of S, its rows stay for S's sake, its files for the guard's.  One
 * thing is done in place: VACUUM truncates empty pages at the end of a table,
 * with nobody else having it locked.  What is cut off has no rows for S, but
 * must not be read into shared buffers just then.  So the worker holds ACCESS
 * SHARE when it can have it, on the table, its TOAST table if there is anything
 * in it, and the index of that, and does without, in another way (page.c), when
 * somebody else wants the table or has it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"

#include "copy/tablelock.h"

#define NRELATIONS 3

/* what is locked; in these places or not at all */
static Oid	locked[NRELATIONS];
static bool held = false;

static void
list_relations(const BbgwTable *table, Oid *relations)
{
	bool		has_toast = bbgw_table_has_toast(table);

	relations[0] = table->heap.oid;
	relations[1] = has_toast ? table->toast.oid : InvalidOid;
	relations[2] = has_toast ? table->toast_index.oid : InvalidOid;
}

static bool
try_relations(const Oid *relations)
{
	Assert(!held);

	for (int i = 0; i < NRELATIONS; i++)
	{
		if (!OidIsValid(relations[i]) ||
			ConditionalLockRelationOid(relations[i], AccessShareLock))
			continue;
		while (--i >= 0)
			if (OidIsValid(relations[i]))
				UnlockRelationOid(relations[i], AccessShareLock);
		return false;
	}
	memcpy(locked, relations, sizeof(locked));
	held = true;
	return true;
}

/*
 * Locks all for the rest of the transaction, if that is possible at
 * once.
 */
bool
bbgw_tablelock_try(const BbgwTable *table)
{
	Oid			relations[NRELATIONS];

	list_relations(table, relations);
	return try_relations(relations);
}

/*
 * The same for a catalog and an index of it.  With "wait" waits as long as it
 * takes.
 */
bool
bbgw_tablelock_catalog(Oid catalog, Oid index, bool wait)
{
	Oid			relations[NRELATIONS] = {catalog, index, InvalidOid};

	if (!wait)
		return try_relations(relations);

	Assert(!held);
	LockRelationOid(catalog, AccessShareLock);
	LockRelationOid(index, AccessShareLock);
	memcpy(locked, relations, sizeof(locked));
	held = true;
	return true;
}

bool
bbgw_tablelock_held(void)
{
	return held;
}

/*
 * Does a process wait for this lock?  The count that the lock manager gives
 * includes those who have the lock, so it only says when there is no need to
 * look at the processes.  They are looked at without locking: memory of locks
 * never goes away, and a wrong answer costs nothing but a moment.
 */
static bool
has_waiter(const LOCKTAG *tag)
{
	if (LockWaiterCount(tag) == 0)
		return false;

	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		volatile PGPROC *proc = &ProcGlobal->allProcs[i];
		LOCK	   *lock = proc->waitLock;

		if (lock != NULL && memcmp(&lock->tag, tag, sizeof(LOCKTAG)) == 0)
			return true;
	}
	return false;
}

/*
 * Does somebody wait for a lock that this worker holds?
 */
bool
bbgw_tablelock_wanted(void)
{
	for (int i = 0; held && i < NRELATIONS; i++)
	{
		LOCKTAG		tag;

		if (!OidIsValid(locked[i]))
			continue;
		SET_LOCKTAG_RELATION(tag, MyDatabaseId, locked[i]);
		if (has_waiter(&tag))
			return true;
	}
	return false;
}

/*
 * Gives the locks up in the middle of the transaction.
 */
void
bbgw_tablelock_release(void)
{
	for (int i = 0; held && i < NRELATIONS; i++)
		if (OidIsValid(locked[i]))
			UnlockRelationOid(locked[i], AccessShareLock);
	held = false;
}

/*
 * Does VACUUM have one of the relations locked, to cut it?
 */
bool
bbgw_tablelock_vacuumed(const BbgwTable *table)
{
	Oid			relations[NRELATIONS];

	list_relations(table, relations);
	for (int i = 0; i < NRELATIONS; i++)
	{
		LOCKTAG		tag;
		VirtualTransactionId *holders;
		bool		vacuumed = false;

		if (!OidIsValid(relations[i]))
			continue;
		SET_LOCKTAG_RELATION(tag, MyDatabaseId, relations[i]);
		holders = GetLockConflicts(&tag, AccessShareLock, NULL);
		for (VirtualTransactionId *holder = holders;
			 VirtualTransactionIdIsValid(*holder); holder++)
		{
			PGPROC	   *proc = bbgw_vxid_proc(*holder);

			vacuumed |= proc != NULL &&
				(proc->statusFlags & PROC_IN_VACUUM) != 0;
		}
		pfree(holders);
		if (vacuumed)
			return true;
	}
	return false;
}
