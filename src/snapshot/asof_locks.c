/*-------------------------------------------------------------------------
 *
 * asof_locks.c
 *	  Locks on relations are given back early as of S.
 *
 * As of S no definition changes, whatever others do, and so a lock serves only
 * those who are reading: who unlinks a file must not find anybody with a page
 * of it pinned.  So locks on relations are given back when no query is under
 * way.  Other locks, advisory ones for instance, are none of our business; they
 * stay to the end of the transaction.
 *
 * The lock manager gives back all locks of a resource owner or a single one,
 * and keeps to itself which ones there are.  So they are looked for where
 * others, too, would find them: in shared memory.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lwlock.h"
#include "utils/resowner.h"

#include "snapshot/asof.h"

/* A lock on a relation that this process holds, for whomever */
typedef struct HeldLock
{
	LOCKTAG		tag;
	LOCKMODE	mode;
} HeldLock;

typedef struct HeldLocks
{
	int			n;
	int			size;
	HeldLock   *locks;
} HeldLocks;

static void
add_lock(HeldLocks *held, const LOCKTAG *tag, LOCKMODE mode)
{
	if (held->n == held->size)
	{
		held->size *= 2;
		held->locks = repalloc(held->locks, held->size * sizeof(HeldLock));
	}
	held->locks[held->n].tag = *tag;
	held->locks[held->n].mode = mode;
	held->n++;
}

/*
 * Finds all locks on relations.  Others may move one from the fast path to the
 * lock table meanwhile, but never back; so it may be found twice, but is not
 * missed.
 */
static void
find_locks(HeldLocks *held)
{
	for (int slot = 0; slot < BBGW_FAST_PATH_SLOTS; slot++)
	{
		LOCKTAG		tag;

		if (!bbgw_fast_path_in_use(slot) || !OidIsValid(MyProc->fpRelId[slot]))
			continue;
		SET_LOCKTAG_RELATION(tag, MyDatabaseId, MyProc->fpRelId[slot]);
		for (LOCKMODE mode = AccessShareLock; mode <= RowExclusiveLock; mode++)
			if (bbgw_lock_is_mine(&tag, mode))
				add_lock(held, &tag, mode);
	}

	for (int i = 0; i < NUM_LOCK_PARTITIONS; i++)
	{
		PROCLOCK   *lock = NULL;

		LWLockAcquire(LockHashPartitionLockByIndex(i), LW_SHARED);
		while ((lock = bbgw_next_lock(i, lock)) != NULL)
		{
			const LOCKTAG *tag = &lock->tag.myLock->tag;

			if (tag->locktag_type != LOCKTAG_RELATION)
				continue;
			for (LOCKMODE mode = AccessShareLock; mode <= MaxLockMode; mode++)
				if (lock->holdMask & LOCKBIT_ON(mode))
					add_lock(held, tag, mode);
		}
		LWLockRelease(LockHashPartitionLockByIndex(i));
	}
}

/*
 * Gives back what a resource owner has of these locks.  To have the lock
 * manager's handle of a lock means to acquire it once more, which takes no
 * waiting, as it is held; by somebody else maybe, who keeps it.
 */
static void
release_locks_of(ResourceOwner owner, const HeldLocks *held)
{
	ResourceOwner save = CurrentResourceOwner;

	CurrentResourceOwner = owner;
	for (int i = 0; i < held->n; i++)
	{
		HeldLock   *lock = &held->locks[i];

		if (bbgw_lock_is_mine(&lock->tag, lock->mode))
		{
			LOCALLOCK  *handle = bbgw_lock_acquire(&lock->tag, lock->mode);

			LockReleaseCurrentOwner(&handle, 1);
		}
	}
	CurrentResourceOwner = save;
}

/*
 * Gives back the locks on relations that the transaction has piled up, and
 * those of a cursor, whose resource owner is "portal", unless it is NULL.
 *
 * To be called as of S, in a transaction, when no statement is under way, nor
 * a cursor open that reads what might be unlinked.  May raise an error for lack
 * of memory.
 */
void
bbgw_release_cursor_locks(ResourceOwner portal)
{
	HeldLocks	held = {0, 64, NULL};

	held.locks = palloc(held.size * sizeof(HeldLock));
	find_locks(&held);
	if (held.n > 0)
	{
		/* up to that of the transaction */
		for (ResourceOwner owner = CurrentResourceOwner; owner != NULL;
			 owner = ResourceOwnerGetParent(owner))
			release_locks_of(owner, &held);
		if (portal != NULL)
			release_locks_of(portal, &held);
	}
	pfree(held.locks);
}

/*
 * The same without a cursor.
 */
void
bbgw_release_locks(void)
{
	bbgw_release_cursor_locks(NULL);
}
