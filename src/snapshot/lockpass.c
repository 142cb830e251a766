/*-------------------------------------------------------------------------
 *
 * lockpass.c
 *	  Lets processes as of S pass locks that they need not wait for.
 *
 * Some functions that pg_dump calls, pg_get_viewdef() for one, lock relations
 * of users while the statement has others locked, and catalogs.  So do the
 * output functions of composite types, which table workers call.  To wait
 * there for a transaction that has such a relation locked exclusively would
 * make everybody wait who wants what the statement holds, for as long as that
 * transaction runs; and if it wants some of that itself, there is a deadlock,
 * which may cost either its life.
 *
 * As of S there is nothing to wait for: definitions are those of S, files are
 * guarded.  As a process cannot help waiting, the leader looks from time to
 * time whether it does, and then grants it the ACCESS SHARE lock beside the
 * exclusive one.  To the lock manager that is a lock like any other, given
 * back at the end of the statement.
 *
 * The same goes for catalogs.  pg_dump loads the rules of a view by one index
 * of pg_rewrite while it waits for another that REINDEX has locked, and
 * REINDEX waits for the first.  But catalogs that are mapped, and unless the
 * backup reads its own files all of them, are read from their present files
 * even as of S, so these are waited for (catalog_files.c).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/catalog.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/relmapper.h"

#include "snapshot/lockpass.h"

/*
 * VACUUM cuts off the end of a table in place, so its lock is to be respected;
 * it gives way by itself.
 */
static bool
held_by_vacuum(const LOCKTAG *tag)
{
	VirtualTransactionId *holder = GetLockConflicts(tag, AccessShareLock,
													NULL);

	for (; VirtualTransactionIdIsValid(*holder); holder++)
	{
		PGPROC	   *proc = bbgw_vxid_proc(*holder);

		if (proc != NULL && (proc->statusFlags & PROC_IN_VACUUM) != 0)
			return true;
	}
	return false;
}

/*
 * Is what a process as of S reads of a relation the file of S?
 */
static bool
read_as_of_s(Oid relid, bool own_files)
{
	if (relid >= FirstNormalObjectId)
		return true;
	return own_files && !IsSharedRelation(relid) &&
		RelationMapOidToFilenumber(relid, false) == InvalidRelFileNumber;
}

/*
 * Grants the process, one of the backup, the lock that it waits for, if it is
 * of that kind.  Returns whether it was.  That the process is marked as all
 * are that are as of S makes sure that it is not another one by now.
 * "own_files" is what the process was told when it went as of S.
 */
bool
bbgw_lockpass(int pid, bool own_files)
{
	PGPROC	   *proc = BackendPidGetProc(pid);
	LOCK	   *lock;
	LOCKTAG		tag;
	LWLock	   *partition;
	bool		granted = false;

	/* memory of locks never goes away, so a look without locking does no harm */
	lock = proc ? *(LOCK *volatile *) &proc->waitLock : NULL;
	if (lock == NULL)
		return false;
	tag = lock->tag;
	if (tag.locktag_type != LOCKTAG_RELATION ||
		tag.locktag_field1 != MyDatabaseId ||
		!read_as_of_s(tag.locktag_field2, own_files) ||
		held_by_vacuum(&tag))
		return false;

	partition = LockHashPartitionLock(LockTagHashCode(&tag));
	LWLockAcquire(partition, LW_EXCLUSIVE);
	if (proc->pid == pid && proc->waitLock == lock &&
		memcmp(&lock->tag, &tag, sizeof(LOCKTAG)) == 0 &&
		proc->waitLockMode == AccessShareLock &&
		(proc->statusFlags & PROC_IN_SAFE_IC) != 0)
	{
		GrantLock(lock, proc->waitProcLock, AccessShareLock);
		(void) ProcWakeup(proc, PROC_WAIT_STATUS_OK);
		granted = true;
	}
	LWLockRelease(partition);
	return granted;
}
