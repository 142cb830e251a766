/*-------------------------------------------------------------------------
 *
 * storage.c
 *	  The files of relations as of S.
 *
 * That they stay is the guard's business (guard.c).  Here is what lets readers
 * notice that they read another file than they should.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_tablespace_d.h"
#include "miscadmin.h"

#include "snapshot/storage.h"

/*
 * Number of blocks in the main fork of a file.  Returns false if the file is
 * gone.  Needs no lock on the relation, and leaves nothing behind that is kept
 * until the end of the transaction, as the storage manager does.
 */
bool
bbgw_storage_blocks(const BbgwStorage *storage, BlockNumber *nblocks)
{
	Oid			database =
	storage->tablespace == GLOBALTABLESPACE_OID ? InvalidOid : MyDatabaseId;
	char	   *path = bbgw_relation_path(database, storage->tablespace,
										  storage->filenumber, MAIN_FORKNUM);
	char	   *segment = pstrdup(path);
	BlockNumber in_segment = RELSEG_SIZE;
	bool		found = false;

	*nblocks = 0;
	for (int number = 1; in_segment == RELSEG_SIZE; number++)
	{
		struct stat st;

		if (stat(segment, &st) != 0)
		{
			if (errno != ENOENT)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not stat file \"%s\": %m", segment)));
			break;
		}
		in_segment = (BlockNumber) (st.st_size / BLCKSZ);
		*nblocks += in_segment;
		pfree(segment);
		segment = psprintf("%s.%d", path, number);
		if (number == 1)
			found = true;
	}
	pfree(segment);
	pfree(path);
	return found;
}

/*
 * Has an open relation the file that it should have?
 */
bool
bbgw_storage_is_open(const BbgwStorage *storage, Relation rel)
{
	return bbgw_relation_locator(rel).relNumber == storage->filenumber;
}

/*
 * Raises the error of a backup whose files are gone in spite of the guard.
 */
void
bbgw_storage_lost(const char *nspname, const char *relname)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("files of \"%s.%s\" as of the snapshot of the backup are missing",
					nspname, relname)));
}
