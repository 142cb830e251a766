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

#include "catalog/pg_tablespace_d.h"
#include "miscadmin.h"

#include "snapshot/storage.h"

/*
 * Number of blocks in the main fork of a file.  Returns false if the file is
 * gone.  Needs no lock on the relation.
 */
bool
bbgw_storage_blocks(const BbgwStorage *storage, BlockNumber *nblocks)
{
	RelFileLocator locator;
	SMgrRelation smgr;
	bool		exists;

	locator.spcOid = storage->tablespace;
	locator.dbOid =
		storage->tablespace == GLOBALTABLESPACE_OID ? InvalidOid : MyDatabaseId;
	locator.relNumber = storage->filenumber;

	smgr = smgropen(locator, INVALID_PROC_NUMBER);
	exists = smgrexists(smgr, MAIN_FORKNUM);
	*nblocks = exists ? smgrnblocks(smgr, MAIN_FORKNUM) : 0;
	smgrclose(smgr);
	return exists;
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
