/*-------------------------------------------------------------------------
 *
 * own_locks.c
 *	  What the caller of start_backup() has locked.
 *
 * The caller waits for the processes of his backup.  If these wait for a lock
 * of his they do so for ever, and as they wait for each other by other means
 * than locks, the server sees no deadlock.  They read catalogs only; tables of
 * users that the caller has locked are nobody's concern (lockpass.c).
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"

#include "sql/own_locks.h"

/*
 * Raises an error if this session has a catalog, or an index of one, locked so
 * that others cannot read it.  Which of them a backup needs at once, and which
 * ones later, is for no user to know.
 */
void
bbgw_require_no_catalog_locked(void)
{
	LockData   *data = GetLockStatusData();

	for (int i = 0; i < data->nelements; i++)
	{
		const LockInstanceData *lock = &data->locks[i];
		const LOCKTAG *tag = &lock->locktag;

		if (lock->pid == MyProcPid &&
			tag->locktag_type == LOCKTAG_RELATION &&
			(lock->holdMask & LOCKBIT_ON(AccessExclusiveLock)) != 0 &&
			IsCatalogRelationOid(tag->locktag_field2))
		{
			char	   *name = get_rel_name(tag->locktag_field2);

			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("this transaction has catalog \"%s\" locked exclusively",
							name ? name : "?"),
					 errdetail("The backup must read it, and would wait for this transaction, which waits for the backup."),
					 errhint("Call start_backup() in a transaction of its own.")));
		}
	}
}
