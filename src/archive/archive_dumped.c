/*-------------------------------------------------------------------------
 *
 * archive_dumped.c
 *	  What pg_dump has written, besides toc.dat, made part of the archive.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/fd.h"

#include "archive/archive_private.h"
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

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		len = strlen(name);
	size_t		suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
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

static void
compress_file(BbgwArchive *archive, BbgwSink *sink, const char *name,
			  char *buffer, size_t buffer_size)
{
	char	   *path = bbgw_path_in(archive->dump_directory, name);
	char	   *compressed_name = psprintf("%s%s", name, bbgw_archive_suffix(archive->backup));
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
	bbgw_archive_add_file(archive, compressed_name, &info);
	pfree(compressed_name);
	pfree(path);
}

/*
 * Compresses the data files that pg_dump has written, and puts them into the
 * manifest.
 */
static void
convert_files(BbgwArchive *archive)
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
			bbgw_archive_add_as_is(archive, file->name);
			pg_atomic_fetch_add_u64(&backup->bytes_done, file->size);
		}
	}
	pfree(buffer);
}

/*
 * Makes the files that pg_dump has written, in most databases none, part of the
 * archive.  Writes the lists of large objects, which are not compressed, as
 * pg_restore 15 wants them.
 */
void
bbgw_archive_convert(BbgwArchive *archive)
{
	if (archive->dumped != NIL)
		convert_files(archive);
	bbgw_archive_write_lists(archive);
}
