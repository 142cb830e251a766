/*-------------------------------------------------------------------------
 *
 * archive_private.h
 *	  An archive that is being written, for those who share the work.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ARCHIVE_PRIVATE_H
#define BBGW_ARCHIVE_PRIVATE_H

#include "archive/archive.h"
#include "archive/directory.h"
#include "archive/manifest.h"

struct BbgwArchive
{
	BbgwBackup *backup;
	BbgwDirectory *dir;
	const char *directory;		/* its path */
	const char *dump_directory; /* pg_dump's; NULL: not made yet */
	bool		dump_stopped;	/* there is nothing but toc.dat */
	BbgwToc    *toc;
	List	   *dumped;			/* of DumpedFile */
	BbgwManifest *manifest;
};

/* archive.c */
extern const char *bbgw_archive_suffix(const BbgwBackup *backup);
extern void bbgw_archive_add_file(BbgwArchive *archive, const char *name,
								  const BbgwFileInfo *info);
extern void bbgw_archive_add_as_is(BbgwArchive *archive, const char *name);

/* archive_objects.c */
extern void bbgw_archive_write_lists(BbgwArchive *archive);

#endif							/* BBGW_ARCHIVE_PRIVATE_H */
