/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  The list of files that a transaction unlinks: puts files on it, takes
 *	  files off.
 *
 * The server has a function for taking one off, RelationPreserveStorage(),
 * which walks through the whole list for each file.  A transaction that drops
 * 50,000 tables would spend minutes in it.  The list is storage.c's own; there is no function
 * that does it for many files at a time.
 *
 * But what is put on the list comes first, and is linked to the rest.  So two
 * probes are put there, entries for files that cannot exist.  Where they are in
 * memory is known, as the memory context gives out a chunk again that was just
 * freed.  From the second one the list can be walked once, and the entries of
 * all files be removed.
 *
 * This is not done on trust.  That an entry looks as it is declared here is
 * found out from the two probes, each time: all that is known of them must be
 * where it is expected, and the second must point to the first.  If anything is
 * not as expected, RelationPreserveStorage() does the work, and takes its time.
 * It also removes the probes.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlogutils.h"
#include "catalog/storage.h"
#include "utils/memutils.h"

#include "guard/pending.h"

/* from how many files on a walk for each takes too long */
#define MANY_FILES 100

/* the server's PendingRelDelete */
typedef struct PendingEntry
{
	RelFileLocator locator;
	int			backend;
	bool		at_commit;
	int			nest_level;
	struct PendingEntry *next;
} PendingEntry;

/*
 * Orders files, for qsort() and bsearch().
 */
int
bbgw_compare_locators(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(RelFileLocator));
}

/*
 * Has the transaction unlink a file, all its forks, if it commits.  Raises no
 * error but for lack of memory.
 */
void
bbgw_pending_add(RelFileLocator locator)
{
	Relation	rel = CreateFakeRelcacheEntry(locator);

	/* from 17 on it would be unpinned, which nobody has pinned */
	rel->rd_smgr = NULL;
	RelationDropStorage(rel);
	FreeFakeRelcacheEntry(rel);
}

static RelFileLocator
probe_locator(RelFileNumber number)
{
	RelFileLocator locator = {0};

	/* in no tablespace of no database */
	locator.relNumber = number;
	return locator;
}

static bool
is_probe(const PendingEntry *entry, RelFileNumber number)
{
	RelFileLocator locator = probe_locator(number);

	return bbgw_compare_locators(&entry->locator, &locator) == 0 &&
		entry->backend == INVALID_PROC_NUMBER &&
		entry->at_commit == true &&
		entry->nest_level == GetCurrentTransactionNestLevel();
}

/*
 * Removes the entries of files, which are sorted, from all that come after one.
 */
static void
remove_after(PendingEntry *entry, const RelFileLocator *files, int n)
{
	while (entry->next)
	{
		PendingEntry *next = entry->next;

		if (next->at_commit && next->backend == INVALID_PROC_NUMBER &&
			bsearch(&next->locator, files, n, sizeof(RelFileLocator),
					bbgw_compare_locators))
		{
			entry->next = next->next;
			pfree(next);
		}
		else
			entry = next;
	}
}

/*
 * Removes the entries of files, which are sorted, in one walk.  Returns false if
 * that cannot be done.
 */
static bool
remove_many(const RelFileLocator *files, int n)
{
	/* both first: what may raise an error comes before there is a probe */
	PendingEntry *first = MemoryContextAllocZero(TopMemoryContext,
												 sizeof(PendingEntry));
	PendingEntry *second = MemoryContextAllocZero(TopMemoryContext,
												  sizeof(PendingEntry));
	bool		known;

	/* what was freed last is given out first */
	pfree(second);
	pfree(first);
	bbgw_pending_add(probe_locator(1));
	bbgw_pending_add(probe_locator(2));

	known = is_probe(first, 1) && is_probe(second, 2) && second->next == first;
	if (known)
		remove_after(first, files, n);

	RelationPreserveStorage(probe_locator(2), true);
	RelationPreserveStorage(probe_locator(1), true);
	return known;
}

/*
 * Takes files off the list of those that the transaction unlinks if it commits.
 * Sorts "files".  Raises no error but for lack of memory.
 */
void
bbgw_pending_remove(RelFileLocator *files, int n)
{
	if (n >= MANY_FILES)
	{
		qsort(files, n, sizeof(RelFileLocator), bbgw_compare_locators);
		if (remove_many(files, n))
			return;
	}

	for (int i = 0; i < n; i++)
		RelationPreserveStorage(files[i], true);
}
