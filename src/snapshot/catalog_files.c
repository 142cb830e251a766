/*-------------------------------------------------------------------------
 *
 * catalog_files.c
 *	  Which files of catalogs are read as of S.
 *
 * While a historic snapshot is set up and logical decoding is enabled, the
 * relation cache takes the present file of a catalog, and of a table with
 * user_catalog_table = true, and does not know a dropped one.  Without logical
 * decoding it takes the files that pg_class as of S names.
 *
 * For a catalog either will do.  Whoever rewrites a catalog keeps all rows that
 * S sees, and those of S are guarded.  But there are two rules:
 *
 * - Not both.  Entries of an index lead nowhere in a heap that it was not made
 *	 for, so a process must not take one of them as of S and the other as it is
 *	 now.
 *
 * - Present files are safe only for those who have the catalog locked.  Those
 *	 of S are safe for everybody, so that locks can be passed (lockpass.c).
 *
 * From 19 on logical decoding can be enabled and disabled at any time, by the
 * first slot and after the last one, REPACK (CONCURRENTLY)'s for example, and
 * a process learns of it in the midst of whatever it does.  So it is decided
 * once, when S is taken, and for all processes of the backup; each of them
 * then gets the relation cache to follow, whatever the server does:
 *
 * - To get present files, the process goes by wal_level = logical.
 *
 * - To get those of S ("own files") it goes by a lower one.  This is for
 *	 databases that have tables with user_catalog_table = true, whose present
 *	 files will not do.  XLogLogicalInfo, which also counts from 19 on, is set
 *	 anew whenever the server's state changes; hence for these databases the
 *	 leader has a logical slot, which keeps logical decoding enabled, so that no
 *	 such change comes.  The slot decodes nothing and holds nothing back.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "replication/slot.h"

#include "snapshot/catalog_files.h"

/* what wal_level was, while it is something else */
static int	save_wal_level = -1;
static bool hidden = false;

static int
server_wal_level(void)
{
	return save_wal_level >= 0 ? save_wal_level : wal_level;
}

/*
 * Can logical decoding be, or become, enabled?
 */
static bool
logical_decoding_possible(void)
{
	return server_wal_level() >= BBGW_WAL_LEVEL_FOR_LOGICAL;
}

/*
 * Is a backup to read the files of S even of catalogs?  "catalog_tables" says
 * whether there are tables with user_catalog_table = true.  The answer depends
 * on nothing else that may change while the server runs.
 */
bool
bbgw_catalog_files_own(bool catalog_tables)
{
	return catalog_tables || !logical_decoding_possible();
}

/*
 * Makes this process read files of S, or else present files, of catalogs until
 * bbgw_catalog_files_reset().  The caller is about to empty the caches, or has
 * filled them under the same rule.
 */
void
bbgw_catalog_files_set(bool own_files)
{
	Assert(save_wal_level < 0);

	/* nothing to choose from */
	if (!logical_decoding_possible())
		return;

	save_wal_level = wal_level;
	wal_level = own_files ? WAL_LEVEL_REPLICA : WAL_LEVEL_LOGICAL;
	hidden = own_files;
	if (hidden)
		bbgw_logical_info_hide();
}

/*
 * Does this process read present files of catalogs, for which it needs locks?
 */
bool
bbgw_catalog_files_present(void)
{
	return save_wal_level >= 0 && !hidden;
}

/*
 * Ends that.  To be called when the historic snapshot has been torn down, also
 * if bbgw_catalog_files_set() was not.  Raises no error.
 */
void
bbgw_catalog_files_reset(void)
{
	if (save_wal_level >= 0)
		wal_level = save_wal_level;
	save_wal_level = -1;
	if (hidden)
		bbgw_logical_info_show();
	hidden = false;
}

/*
 * Keeps logical decoding from being switched on and off as long as this
 * process, the leader of the backup, exists.  To be called before others begin
 * to read the backup's own files.  Waits until all processes of the server know
 * that it is on.  Raises an error if no replication slot is free.
 *
 * Needs a transaction that has written nothing.
 */
void
bbgw_catalog_files_pin(int64 backup_id)
{
	char		name[NAMEDATALEN];
	int			level = wal_level;

	if (!logical_decoding_possible() ||
		server_wal_level() >= WAL_LEVEL_LOGICAL)
		return;

	/* switching it on goes by the server's level; an error ends all this */
	snprintf(name, sizeof(name), "backup_bgw_" INT64_FORMAT, backup_id);
	wal_level = server_wal_level();
	bbgw_logical_slot_create(name);
	wal_level = level;
}
