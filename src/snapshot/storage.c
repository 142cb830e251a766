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
 * Path of a segment of a main fork, palloc'd.
 */
char *
bbgw_storage_segment_path(Oid database, Oid tablespace, RelFileNumber number,
						  uint32 segment)
{
	char	   *path = bbgw_relation_path(database, tablespace, number,
										  MAIN_FORKNUM);
	char	   *segment_path;

	if (segment == 0)
		return path;
	segment_path = psprintf("%s.%u", path, segment);
	pfree(path);
	return segment_path;
}

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
	BlockNumber in_segment = RELSEG_SIZE;

	*nblocks = 0;
	for (uint32 segment = 0; in_segment == RELSEG_SIZE; segment++)
	{
		char	   *path = bbgw_storage_segment_path(database,
													 storage->tablespace,
													 storage->filenumber,
													 segment);
		struct stat st;

		if (stat(path, &st) != 0)
		{
			if (errno != ENOENT)
				ereport(ERROR,
						(errcode_for_file_access(),
						 errmsg("could not stat file \"%s\": %m", path)));
			pfree(path);
			return segment > 0;
		}
		pfree(path);
		in_segment = (BlockNumber) (st.st_size / BLCKSZ);
		*nblocks += in_segment;
	}
	return true;
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
