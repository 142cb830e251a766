/*-------------------------------------------------------------------------
 *
 * archive.c
 *	  The archive directory, from its making to its renaming.
 *
 * What is written is a directory archive of pg_dump (paths.h lists its files)
 * plus a manifest.  In this order:
 *
 * 1. <destination>.partial is created, with a directory in it to which pg_dump
 *	  writes an archive whose data files of plain tables have no rows, and without
 *	  large objects.  Those the table workers write in the meantime, beside it.
 * 2. When pg_dump has written toc.dat it is stopped, if workers write all of
 *	  the data.  Otherwise it goes on, and its files of plain tables are removed;
 *	  what else it wrote, filtered configuration tables, is compressed by the
 *	  leader.  The leader also writes the lists of large objects.
 * 3. The workers' files get the names that pg_dump had for them.  toc.dat gets
 *	  the file names of tables in several pieces.  The manifest is written,
 *	  everything is fsynced, and the directory is renamed.
 *
 * toc.dat says that the archive was created when the backup was started, which
 * is how the archive of a certain backup is known (find.c).
 *
 * So a directory without the suffix is a complete backup, whatever happens.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "archive/archive_private.h"
#include "archive/codec.h"
#include "archive/directory.h"
#include "archive/manifest.h"
#include "bgworker.h"
#include "paths.h"

/*
 * What data files have at the end of their names, by their compression.
 */
const char *
bbgw_archive_suffix(const BbgwBackup *backup)
{
	const BbgwCodec *codec = bbgw_codec(backup->order.compression);

	return codec ? codec->suffix : "";
}

/*
 * Path of the file that a worker writes a slice of a table to.
 */
char *
bbgw_archive_rows_path(const BbgwBackup *backup, Oid relid, int slice)
{
	return psprintf("%s/%s", bbgw_path_partial(backup->order.destination),
					bbgw_name_rows(relid, slice));
}

/*
 * Creates the directory of a backup that is not complete yet.
 */
BbgwArchive *
bbgw_archive_create(BbgwBackup *backup)
{
	BbgwArchive *archive = palloc0(sizeof(BbgwArchive));

	archive->backup = backup;
	archive->dir = bbgw_directory_create(backup->order.destination);
	archive->directory = bbgw_directory_path(archive->dir);

	LWLockAcquire(bbgw_shared->lock, LW_EXCLUSIVE);
	backup->sync_later = bbgw_directory_syncs_all(archive->dir);
	LWLockRelease(bbgw_shared->lock);
	return archive;
}

/*
 * Returns the empty directory that pg_dump is to write to.  To be called before
 * each try: what an earlier one has left is removed.
 */
const char *
bbgw_archive_begin_dump(BbgwArchive *archive)
{
	if (archive->dump_directory == NULL)
		archive->dump_directory = bbgw_directory_begin_dump(archive->dir);
	else
	{
		bbgw_directory_check(archive->dir);
		bbgw_directory_clear_dump(archive->dir, NULL);
	}
	return archive->dump_directory;
}

/*
 * Raises an error if the directory is not where it was made.  Others who work
 * in it may only say that they cannot.
 */
void
bbgw_archive_check(const BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
}

/*
 * Has pg_dump written a table of contents, or begun to?
 */
bool
bbgw_archive_has_toc(const BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	return access(bbgw_path_in(archive->dump_directory, BBGW_TOC_NAME),
				  F_OK) == 0;
}

/*
 * Reads the table of contents that pg_dump has written.  What was read before is
 * no longer valid.
 */
BbgwToc *
bbgw_archive_read_toc(BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	if (archive->toc)
		bbgw_toc_free(archive->toc);
	archive->toc =
		bbgw_toc_read(bbgw_path_in(archive->dump_directory, BBGW_TOC_NAME));
	return archive->toc;
}

static BbgwManifest *
manifest(BbgwArchive *archive)
{
	if (archive->manifest == NULL)
	{
		bbgw_directory_check(archive->dir);
		archive->manifest =
			bbgw_manifest_begin(bbgw_path_in(archive->directory,
											 BBGW_MANIFEST_NAME));
	}
	return archive->manifest;
}

/*
 * Puts a file into the manifest.
 */
void
bbgw_archive_add_file(BbgwArchive *archive, const char *name,
					  const BbgwFileInfo *info)
{
	bbgw_directory_expect(archive->dir, name, info->size);
	bbgw_manifest_add(manifest(archive), name, info->size, info->mtime,
					  BBGW_MANIFEST_CHECKSUM, info->checksum,
					  info->checksum_len);
}

/*
 * Puts a file that is as it should be into the manifest, and makes it durable.
 */
void
bbgw_archive_add_as_is(BbgwArchive *archive, const char *name)
{
	char	   *path = bbgw_path_in(archive->directory, name);
	uint8		checksum[PG_CHECKSUM_MAX_LENGTH];
	uint64		size;
	pg_time_t	mtime;
	int			len;

	if (!bbgw_directory_syncs_all(archive->dir))
		fsync_fname(path, false);
	len = bbgw_manifest_checksum_file(path, &size, &mtime, checksum);
	bbgw_directory_expect(archive->dir, name, size);
	bbgw_manifest_add(manifest(archive), name, size, mtime,
					  BBGW_MANIFEST_CHECKSUM, checksum, len);
	pg_atomic_fetch_add_u64(&archive->backup->bytes_written, size);
	pfree(path);
}

/*
 * Writes the final table of contents.  Entries of tables in one piece need no
 * change: pg_dump named their files as we do.
 */
static void
write_toc(BbgwArchive *archive)
{
	const BbgwOrder *order = &archive->backup->order;
	BbgwTocHeader *header = &archive->toc->header;

	bbgw_toc_set_created(header, timestamptz_to_time_t(order->started_at));
	bbgw_toc_file_set_compression(header, order->compression,
								  order->compression_level);
	bbgw_toc_write(archive->toc,
				   bbgw_path_in(archive->directory, BBGW_TOC_NAME));
	bbgw_directory_unlink_dumped(archive->dir, BBGW_TOC_NAME);
}

/*
 * Gives the file that a worker has written its name in the archive, which is
 * made of the table's dump ID, and puts it into the manifest.
 */
void
bbgw_archive_add_rows(BbgwArchive *archive, Oid relid, int slice, int dump_id,
					  const BbgwFileInfo *info)
{
	char	   *rows_name = bbgw_name_rows(relid, slice);
	char	   *data_name = bbgw_name_data(dump_id, slice);
	char	   *name = psprintf("%s%s", data_name, bbgw_archive_suffix(archive->backup));

	bbgw_directory_rename(archive->dir, rows_name, name);
	bbgw_archive_add_file(archive, name, info);
	pfree(name);
	pfree(data_name);
	pfree(rows_name);
}

/*
 * Removes the file that a worker has written of a table that is not wanted.
 */
void
bbgw_archive_drop_rows(BbgwArchive *archive, Oid relid, int slice)
{
	bbgw_directory_unlink(archive->dir, bbgw_name_rows(relid, slice));
}

/*
 * Completes the archive, all of whose data is there, and renames it to its
 * destination.  When this returns, the backup is there to stay.
 */
void
bbgw_archive_finish(BbgwArchive *archive)
{
	bbgw_objects_end(&archive->toc->objects);
	bbgw_directory_check(archive->dir);
	write_toc(archive);
	bbgw_directory_end_dump(archive->dir);
	bbgw_archive_add_as_is(archive, BBGW_TOC_NAME);
	bbgw_directory_expect(archive->dir, BBGW_MANIFEST_NAME,
						  bbgw_manifest_end(archive->manifest));
	bbgw_directory_finish(archive->dir);
}

/*
 * Removes what there is of an archive that will not be completed.  Raises
 * nothing; what cannot be removed is logged.
 */
void
bbgw_archive_remove(BbgwArchive *archive)
{
	bbgw_directory_remove(archive->dir);
}
