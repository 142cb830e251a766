/*-------------------------------------------------------------------------
 *
 * readers.c
 *	  Sessions that may have pages of preserved files pinned.
 *
 * Whoever unlinks a file throws its pages out of shared buffers, and if one of
 * them is pinned he waits for that to end: busily, after his commit, deaf to
 * everything.  Nobody else in the server can have such a pin, as who unlinks
 * has the relation locked.  But nobody has the relation of a preserved file
 * locked for the file's sake, and a session as of some S can look at it for as
 * long as it likes: an open cursor keeps a page pinned.
 *
 * So sessions as of S hold a lock from before they look at any file until
 * their last pin is gone, shared with each other.  A sweep asks for it, for
 * itself alone, and does without sweeping if it is not to be had at once.  It
 * holds it until all is unlinked, which is after the commit, so as a session.
 *
 * Table workers need not hold it.  What they read, the sweep leaves alone
 * until their backup is through with it.
 *
 * Who leaves looks whether the backup is over and its files are still there,
 * and has them swept then.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/resowner.h"

#include "guard/guard.h"
#include "guard/readers.h"
#include "guard/registry.h"
#include "guard/sweep.h"

/* the present transaction has joined */
static bool joined = false;
static bool callback_registered = false;

static LOCKTAG
lock_tag(void)
{
	LOCKTAG		tag;

	/* of no advisory lock that users can take: the last number is theirs */
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0x62677701, 0, 3);
	return tag;
}

/*
 * Pins go before locks, so here the transaction has neither.
 */
static void
release_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel,
				 void *arg)
{
	if (!joined || !isTopLevel || phase != RESOURCE_RELEASE_AFTER_LOCKS)
		return;
	joined = false;

	/* a running backup sweeps in the end, and so does the next one */
	if (!bbgw_guard_armed(MyDatabaseId) &&
		bbgw_registry_find(MyDatabaseTableSpace, MyDatabaseId,
						   InvalidRelFileNumber) != InvalidRelFileNumber)
		(void) bbgw_sweep_later(MyDatabaseId);
}

/*
 * Says that the present transaction may have pages of preserved files of the
 * current database pinned, until it ends.  Waits while a sweep is under way.
 * Needs a transaction.
 */
void
bbgw_readers_join(void)
{
	LOCKTAG		tag = lock_tag();
	ResourceOwner save = CurrentResourceOwner;

	if (!callback_registered)
	{
		RegisterResourceReleaseCallback(release_callback, NULL);
		callback_registered = true;
	}

	/* an owner of its own: this lock is not given back with others */
	CurrentResourceOwner = ResourceOwnerCreate(TopTransactionResourceOwner,
											   "backup_bgw reader");
	(void) LockAcquire(&tag, ShareLock, false, false);
	CurrentResourceOwner = save;
	joined = true;
}

/*
 * Keeps readers away from files that are about to be unlinked, until
 * bbgw_readers_readmit(), whatever transactions end meanwhile.  Returns false
 * at once if there are any.
 */
bool
bbgw_readers_exclude(void)
{
	LOCKTAG		tag = lock_tag();

	return LockAcquire(&tag, ExclusiveLock, true,
					   true) != LOCKACQUIRE_NOT_AVAIL;
}

void
bbgw_readers_readmit(void)
{
	LOCKTAG		tag = lock_tag();

	(void) LockRelease(&tag, ExclusiveLock, true);
}
