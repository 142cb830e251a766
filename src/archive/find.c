/*-------------------------------------------------------------------------
 *
 * find.c
 *	  Is the archive of a certain backup there?
 *
 * For those who have to know what became of a backup that could not say so.
 * An archive is complete when its directory has lost the suffix, which is the
 * last thing that happens to it.  That a suffix was not taken off by hand, the
 * manifest shows, which is written last; that the archive is not another
 * backup's, the time of creation in toc.dat, which archive.c sets to the start
 * of the backup.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "archive/find.h"
#include "archive/manifest.h"
#include "archive/toc.h"
#include "paths.h"

/*
 * Is there a complete archive, and that of a backup that began then?  If so,
 * *mtime is when it was completed.  The answer is no where files cannot be
 * read; that raises nothing.
 */
bool
bbgw_archive_find(const char *destination, TimestampTz started_at,
				  pg_time_t *mtime)
{
	char	   *toc = bbgw_path_in(destination, BBGW_TOC_NAME);
	char	   *manifest = bbgw_path_in(destination, BBGW_MANIFEST_NAME);

	return bbgw_toc_was_created(toc, timestamptz_to_time_t(started_at)) &&
		bbgw_manifest_is_whole(manifest, mtime);
}
