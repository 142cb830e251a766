/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  Preserved files of a database, written down where crashes and standbys
 *	  keep them.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_REGISTRY_H
#define BBGW_REGISTRY_H

#include "backup_bgw.h"

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "storage/block.h"

/*
 * A file that a transaction would have unlinked, had it not been preserved.
 * Whether that transaction has committed is not said here.  But if it has, it
 * has left the file behind: there is no record of a file that its commit
 * unlinks.
 */
typedef struct BbgwPreserved
{
	FullTransactionId xid;		/* of that transaction, the topmost one */
	FullTransactionId unlinker; /* of a sweep that unlinks the file if it
								 * commits; invalid: there was none */
	TimestampTz since;
	uint64		bytes;			/* all forks */
	Oid			tablespace;		/* in the file 0 for the database's own */
	RelFileNumber number;
	uint32		live;			/* 0: the record is done with */
	uint32		doubtful;		/* 1: the log has said that nobody can tell
								 * whether the file may go */
} BbgwPreserved;

/* Where a record was found */
typedef struct BbgwPreservedAt
{
	BbgwPreserved record;
	BlockNumber block;
	uint32		index;
} BbgwPreservedAt;

extern void bbgw_registry_lock(void);
extern void bbgw_registry_unlock(void);
extern RelFileNumber bbgw_registry_find(Oid tablespace, Oid database,
										RelFileNumber after);
extern void bbgw_registry_append(const BbgwPreserved *records, int n,
								 int *appended);
extern BbgwPreservedAt *bbgw_registry_read(RelFileNumber registry, int *n);
extern BbgwPreservedAt *bbgw_registry_read_all(int *n);
extern void bbgw_registry_update(RelFileNumber registry,
								 const BbgwPreservedAt *records, int n);
extern void bbgw_registry_drop(RelFileNumber registry);

#endif							/* BBGW_REGISTRY_H */
