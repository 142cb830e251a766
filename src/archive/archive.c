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

#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "archive/archive.h"
#include "archive/codec.h"
#include "archive/directory.h"
#include "archive/manifest.h"
#include "archive/objects.h"
#include "bgworker.h"
#include "paths.h"

/* what pg_dump writes for a table without rows */
#define NO_ROWS "\\.\n\n\n"

/* A file of pg_dump's that stays */
typedef struct DumpedFile
{
	char	   *name;
	uint64		size;
} DumpedFile;

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

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		len = strlen(name);
	size_t		suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static const char *
suffix(const BbgwBackup *backup)
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
 * Path of the file that a worker writes a large object to.
 */
char *
bbgw_archive_object_path(const BbgwBackup *backup, Oid oid)
{
	char	   *partial = bbgw_path_partial(backup->order.destination);
	char	   *name = bbgw_name_object(oid);
	char	   *path = psprintf("%s/%s%s", partial, name, suffix(backup));

	pfree(name);
	pfree(partial);
	return path;
}

/*
 * Path of the file in which it reports what large objects it has written, of
 * a slice of them.
 */
char *
bbgw_archive_report_path(const BbgwBackup *backup, int slice)
{
	return psprintf("%s/%s", bbgw_path_partial(backup->order.destination),
					bbgw_name_objects(slice));
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

/*
 * pg_dump was stopped when it had written the table of contents.  Removes what
 * else it may have begun.
 */
void
bbgw_archive_dump_stopped(BbgwArchive *archive)
{
	bbgw_directory_check(archive->dir);
	bbgw_directory_clear_dump(archive->dir, BBGW_TOC_NAME);
	archive->dump_stopped = true;
}

/*
 * Removes the file that pg_dump has for a table, after making sure that there
 * are no rows in it.
 */
static void
remove_empty(BbgwArchive *archive, const BbgwTocData *data)
{
	char	   *name = bbgw_name_data(data->dump_id, 0);

	/* rows would be in front of the end mark */
	if (bbgw_directory_dumped_size(archive->dir, name) != strlen(NO_ROWS))
		elog(ERROR, "pg_dump has written rows to \"%s/%s\"",
			 archive->dump_directory, name);
	bbgw_directory_unlink_dumped(archive->dir, name);
	pfree(name);
}

/*
 * Table workers write the rows of this entry, in so many slices.
 */
void
bbgw_archive_claim(BbgwArchive *archive, const BbgwTocData *data, int nslices)
{
	if (!archive->dump_stopped)
		remove_empty(archive, data);

	if (nslices > 1)
	{
		char	  **names = palloc_array(char *, nslices);

		for (int slice = 0; slice < nslices; slice++)
			names[slice] = bbgw_name_data(data->dump_id, slice);
		bbgw_toc_set_files(archive->toc, data, nslices, names);
		for (int slice = 0; slice < nslices; slice++)
			pfree(names[slice]);
		pfree(names);
	}
}

/*
 * Notes all files of pg_dump's but toc.dat, those of tables that were claimed
 * being gone.  Returns their size.
 */
uint64
bbgw_archive_take_over(BbgwArchive *archive)
{
	uint64		size = 0;
	DIR		   *dir;
	struct dirent *de;

	dir = AllocateDir(archive->dump_directory);
	while ((de = ReadDir(dir, archive->dump_directory)) != NULL)
	{
		DumpedFile *file;

		bbgw_bgworker_pause();
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 ||
			strcmp(de->d_name, BBGW_TOC_NAME) == 0)
			continue;
		file = palloc(sizeof(DumpedFile));
		file->name = pstrdup(de->d_name);
		file->size = bbgw_directory_dumped_size(archive->dir, de->d_name);
		if (bbgw_name_is_object(de->d_name))
		{
			/* the list that it would have begun with */
			if (file->size > 0)
				elog(ERROR, "pg_dump has written large objects to \"%s/%s\"",
					 archive->dump_directory, de->d_name);
			bbgw_directory_unlink_dumped(archive->dir, de->d_name);
			continue;
		}
		size += file->size;
		archive->dumped = lappend(archive->dumped, file);
	}
	FreeDir(dir);
	return size;
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

static void
add_to_manifest(BbgwArchive *archive, const char *name,
				const BbgwFileInfo *info)
{
	bbgw_directory_expect(archive->dir, name, info->size);
	bbgw_manifest_add(manifest(archive), name, info->size, info->mtime,
					  BBGW_MANIFEST_CHECKSUM, info->checksum,
					  info->checksum_len);
}

/* Puts a file that is as it should be into the manifest, and makes it durable. */
static void
add_as_is(BbgwArchive *archive, const char *name)
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

static void
compress_file(BbgwArchive *archive, BbgwSink *sink, const char *name,
			  char *buffer, size_t buffer_size)
{
	char	   *path = bbgw_path_in(archive->dump_directory, name);
	char	   *compressed_name = psprintf("%s%s", name, suffix(archive->backup));
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	BbgwFileInfo info;
	size_t		n;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));

	bbgw_sink_begin(sink, bbgw_path_in(archive->directory, compressed_name));
	while ((n = fread(buffer, 1, buffer_size, file)) > 0)
	{
		bbgw_bgworker_pause();
		bbgw_sink_write(sink, buffer, n);
		pg_atomic_fetch_add_u64(&archive->backup->bytes_done, n);
	}
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	bbgw_sink_end(sink, &info);

	bbgw_directory_unlink_dumped(archive->dir, name);
	add_to_manifest(archive, compressed_name, &info);
	pfree(compressed_name);
	pfree(path);
}

/*
 * Writes the lists of large objects.
 */
static void
write_lists(BbgwArchive *archive)
{
	BbgwObjects *objects = &archive->toc->objects;
	BbgwSink   *sink;

	if (objects->n == 0)
		return;
	sink = bbgw_sink_create(BBGW_COMPRESSION_NONE, 0,
							&archive->backup->bytes_written, NULL,
							bbgw_directory_syncs_all(archive->dir));
	for (size_t i = 0; i < objects->ngroups; i++)
	{
		const BbgwObjectGroup *group = &objects->groups[i];
		BbgwFileInfo info;

		if (group->filename == NULL)
			elog(ERROR, "large objects of archive entry %d have no list",
				 group->dump_id);
		bbgw_sink_begin(sink,
						bbgw_path_in(archive->directory, group->filename));
		bbgw_objects_write_list(objects, group, sink);
		bbgw_sink_end(sink, &info);
		add_to_manifest(archive, group->filename, &info);
	}
	bbgw_objects_sort(objects);
}

/*
 * Compresses the data files that pg_dump has written, and puts them into the
 * manifest.  Writes the lists of large objects, which are not compressed, as
 * pg_restore 15 wants them.
 */
void
bbgw_archive_convert(BbgwArchive *archive)
{
	BbgwBackup *backup = archive->backup;
	size_t		buffer_size = 64 * 1024;
	char	   *buffer = palloc(buffer_size);
	BbgwSink   *sink = bbgw_sink_create(backup->order.compression,
										backup->order.compression_level,
										&backup->bytes_written, NULL,
										bbgw_directory_syncs_all(archive->dir));
	ListCell   *lc;

	foreach(lc, archive->dumped)
	{
		DumpedFile *file = lfirst(lc);

		bbgw_bgworker_pause();
		if (backup->order.compression != BBGW_COMPRESSION_NONE &&
			ends_with(file->name, BBGW_DATA_SUFFIX))
			compress_file(archive, sink, file->name, buffer, buffer_size);
		else
		{
			bbgw_directory_take_dumped(archive->dir, file->name);
			add_as_is(archive, file->name);
			pg_atomic_fetch_add_u64(&backup->bytes_done, file->size);
		}
	}
	pfree(buffer);
	write_lists(archive);
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
	char	   *name = psprintf("%s%s", data_name, suffix(archive->backup));

	bbgw_directory_rename(archive->dir, rows_name, name);
	add_to_manifest(archive, name, info);
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
 * Takes the large objects that a worker has reported, with OIDs higher than
 * those before.  Those that pg_dump does not know are removed.
 */
void
bbgw_archive_add_objects(BbgwArchive *archive, int slice,
						 const BbgwFileInfo *report_info)
{
	char	   *report_name = bbgw_name_objects(slice);
	BbgwObjectReport *report;
	BbgwFileInfo info;
	Oid			oid;

	bbgw_directory_check(archive->dir);
	report = bbgw_object_report_open(bbgw_path_in(archive->directory, report_name),
									 report_info);
	while (bbgw_object_report_next(report, &oid, &info))
	{
		char	   *data_name = bbgw_name_object(oid);
		char	   *name = psprintf("%s%s", data_name, suffix(archive->backup));

		bbgw_bgworker_pause();
		if (bbgw_objects_have(&archive->toc->objects, oid))
			add_to_manifest(archive, name, &info);
		else
			bbgw_directory_unlink(archive->dir, name);
		pfree(name);
		pfree(data_name);
	}
	bbgw_directory_unlink(archive->dir, report_name);
	pfree(report_name);
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
	add_as_is(archive, BBGW_TOC_NAME);
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
