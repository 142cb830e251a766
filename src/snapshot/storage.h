/*-------------------------------------------------------------------------
 *
 * storage.h
 *	  The files of relations as of S.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_STORAGE_H
#define BBGW_STORAGE_H

#include "backup_bgw.h"

/* A relation and its file as of S */
typedef struct BbgwStorage
{
	Oid			oid;
	Oid			tablespace;		/* never 0, unlike pg_class.reltablespace */
	RelFileNumber filenumber;
	uint32		needed;			/* number of the file in the guard's set */
} BbgwStorage;

extern char *bbgw_storage_segment_path(Oid database, Oid tablespace,
									   RelFileNumber number, uint32 segment);
extern bool bbgw_storage_blocks(const BbgwStorage *storage,
								BlockNumber *nblocks);
extern bool bbgw_storage_is_open(const BbgwStorage *storage, Relation rel);
pg_noreturn extern void bbgw_storage_lost(const char *nspname,
										  const char *relname);

#endif							/* BBGW_STORAGE_H */
