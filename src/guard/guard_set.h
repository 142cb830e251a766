/*-------------------------------------------------------------------------
 *
 * guard_set.h
 *	  The files that a backup needs, in dynamic shared memory.
 *
 * The leader makes the set as of S.  From then on nothing changes but the
 * flags of entries: a transaction that would unlink a file sets PRESERVED, the
 * process that has read it sets DONE.  Both are atomic exchanges, so that each
 * of the two knows what the other has done.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_GUARD_SET_H
#define BBGW_GUARD_SET_H

#include "backup_bgw.h"

#include "port/atomics.h"
#include "storage/dsm.h"

/* flags of an entry */
#define BBGW_FILE_PRESERVED 0x01	/* was, or is about to be, kept on disk */
#define BBGW_FILE_DONE		0x02	/* the backup needs it no more */

typedef struct BbgwNeededFile
{
	/* constant */
	Oid			tablespace;
	RelFileNumber number;
	Oid			owner;			/* the table, sequence or catalog it belongs
								 * to */
	uint32		name;			/* of the owner: offset from the set's begin */
	char		kind;			/* relkind of the file's own relation */
	/* written before PRESERVED is set */
	uint64		bytes;
	pg_atomic_uint32 flags;
} BbgwNeededFile;

#define BBGW_NEEDED_MAGIC 0x62677703

typedef struct BbgwNeededSet
{
	uint32		magic;
	uint32		nfiles;
	int64		backup_id;		/* whose set it is, when it is published */
	BbgwNeededFile files[FLEXIBLE_ARRAY_MEMBER];	/* by number, tablespace */
	/* then names, quoted and with schema, each ending with a zero byte */
} BbgwNeededSet;

#define BBGW_FILE_NAME(set, file) ((const char *) (set) + (file)->name)

extern dsm_segment *bbgw_needed_create(void);
extern BbgwNeededFile *bbgw_needed_find(BbgwNeededSet *set, Oid tablespace,
										RelFileNumber number);

#endif							/* BBGW_GUARD_SET_H */
