/*-------------------------------------------------------------------------
 *
 * history.c
 *	  Ended backups, in files below $PGDATA/backup_bgw/.
 *
 * Not in a table, for such a table would be one of some database, in its
 * backups and its publications, and would go with DROP EXTENSION.
 *
 * There is one file for each backup, $PGDATA/backup_bgw/history/<id>.json: one
 * JSON object with the columns of the view backup_history as keys, and
 *
 *	 "incarnation"	which life of the shared memory the backup ran in
 *
 * The file is written with status "running" once the backup runs, and anew
 * when it has ended, each time under another name and then renamed, so that it
 * is whole whenever the server stops.  A file that says "running" but is of
 * another life is about a backup that the end of that life has killed; readers
 * are told "failed".
 *
 * Text is in the encoding of the database that was backed up.  Readers in a
 * database of another encoding get question marks for what is not valid there.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "backup/history.h"
#include "guard/guard_shmem.h"
#include "paths.h"

/* what becomes of a backup that the server did not outlive */
#define LOST_ERROR "the server stopped or crashed during the backup"

static void
append_key(StringInfo buf, const char *key)
{
	appendStringInfo(buf, "%s\"%s\": ", buf->len > 1 ? ",\n " : "", key);
}

static void
append_number(StringInfo buf, const char *key, uint64 value)
{
	append_key(buf, key);
	appendStringInfo(buf, UINT64_FORMAT, value);
}

static void
append_text(StringInfo buf, const char *key, const char *value)
{
	append_key(buf, key);
	if (value)
		escape_json(buf, value);
	else
		appendStringInfoString(buf, "null");
}

static char *
error_text(const BbgwError *error)
{
	StringInfoData buf;

	if (error->sqlerrcode == 0)
		return NULL;

	initStringInfo(&buf);
	appendStringInfoString(&buf, error->message);
	if (error->detail[0])
		appendStringInfo(&buf, "\nDETAIL:  %s", error->detail);
	if (error->hint[0])
		appendStringInfo(&buf, "\nHINT:  %s", error->hint);
	if (error->context[0])
		appendStringInfo(&buf, "\nCONTEXT:  %s", error->context);
	return buf.data;
}

static char *
backup_to_json(const BbgwBackup *backup, const char *status)
{
	StringInfoData buf;
	bool		running = strcmp(status, "running") == 0;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_number(&buf, "backup_id", backup->id);
	append_text(&buf, "status", status);
	append_number(&buf, "incarnation", bbgw_shared->incarnation);
	append_number(&buf, "datid", backup->order.dboid);
	append_text(&buf, "datname", NameStr(backup->order.datname));
	append_number(&buf, "usesysid", backup->order.roleid);
	append_text(&buf, "usename", NameStr(backup->order.rolname));
	append_text(&buf, "destination", backup->order.destination);
	append_text(&buf, "started_at", timestamptz_to_str(backup->order.started_at));
	append_text(&buf, "finished_at",
				running ? NULL : timestamptz_to_str(GetCurrentTimestamp()));
	append_number(&buf, "jobs", backup->order.jobs);
	append_number(&buf, "tables", pg_atomic_read_u64((pg_atomic_uint64 *) &backup->tables_done));
	append_number(&buf, "bytes_read", pg_atomic_read_u64((pg_atomic_uint64 *) &backup->bytes_done));
	append_number(&buf, "bytes_written", pg_atomic_read_u64((pg_atomic_uint64 *) &backup->bytes_written));
	append_number(&buf, "files_preserved", pg_atomic_read_u64(&bbgw_guard_of(backup->number)->files_preserved));
	append_number(&buf, "lock_yields", pg_atomic_read_u64((pg_atomic_uint64 *) &backup->lock_yields));
	append_text(&buf, "error", error_text(&backup->error));
	appendStringInfoString(&buf, "}\n");
	return buf.data;
}

static bool
make_directory(const char *path, int elevel)
{
	if (MakePGDirectory(path) == 0 || errno == EEXIST)
		return true;

	ereport(elevel,
			(errcode_for_file_access(),
			 errmsg("could not create directory \"%s\": %m", path)));
	return false;
}

static bool
write_file(const char *path, const char *data, int elevel)
{
	char	   *temp = psprintf("%s.tmp", path);
	int			len = strlen(data);
	int			fd;
	bool		ok;

	fd = OpenTransientFile(temp, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (fd < 0)
	{
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", temp)));
		return false;
	}

	errno = 0;
	ok = write(fd, data, len) == len;
	if (!ok && errno == 0)
		errno = ENOSPC;
	if (!ok || pg_fsync(fd) != 0)
	{
		int			save_errno = errno;

		CloseTransientFile(fd);
		unlink(temp);
		errno = save_errno;
		ereport(elevel,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temp)));
		return false;
	}
	CloseTransientFile(fd);
	return durable_rename(temp, path, elevel) == 0;
}

/*
 * Records a backup with the status given ("running", "completed", "failed" or
 * "cancelled"), replacing what was recorded of it before.  *backup must not
 * change meanwhile; its leader is the one to call this.  What goes wrong is
 * reported with elevel; if that is below ERROR, returns false then.
 */
bool
bbgw_history_write(const BbgwBackup *backup, const char *status, int elevel)
{
	return make_directory(BBGW_STATE_DIR, elevel) &&
		make_directory(BBGW_HISTORY_DIR, elevel) &&
		write_file(bbgw_path_history(backup->id),
				   backup_to_json(backup, status), elevel);
}

/*
 * Forgets a backup.
 */
void
bbgw_history_remove(int64 id)
{
	durable_unlink(bbgw_path_history(id), LOG);
}

/*
 * Ids of all backups recorded, as a list of palloc'd int64, ascending.
 */
static int
compare_ids(const ListCell *a, const ListCell *b)
{
	int64		x = *(int64 *) lfirst(a);
	int64		y = *(int64 *) lfirst(b);

	return (x > y) - (x < y);
}

List *
bbgw_history_ids(void)
{
	List	   *ids = NIL;
	DIR		   *dir;
	struct dirent *de;

	dir = AllocateDir(BBGW_HISTORY_DIR);
	if (dir == NULL && errno == ENOENT)
		return NIL;
	while ((de = ReadDir(dir, BBGW_HISTORY_DIR)) != NULL)
	{
		char	   *end;
		int64		id = strtoi64(de->d_name, &end, 10);

		if (end != de->d_name && strcmp(end, BBGW_HISTORY_SUFFIX) == 0)
		{
			int64	   *copy = palloc(sizeof(int64));

			*copy = id;
			ids = lappend(ids, copy);
		}
	}
	FreeDir(dir);
	list_sort(ids, compare_ids);
	return ids;
}

/*
 * The highest id recorded, or 0.
 */
int64
bbgw_history_last_id(void)
{
	List	   *ids = bbgw_history_ids();

	return ids ? *(int64 *) llast(ids) : 0;
}

/*
 * Removes the oldest records beyond backup_bgw.history_size.
 */
void
bbgw_history_prune(void)
{
	List	   *ids = bbgw_history_ids();
	int			excess = list_length(ids) - bbgw_history_size;

	if (bbgw_history_size == 0)
		return;
	for (int i = 0; i < excess; i++)
		bbgw_history_remove(*(int64 *) list_nth(ids, i));
}

static char *
read_file(const char *path)
{
	StringInfoData buf;
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	char		chunk[4096];
	size_t		n;

	if (file == NULL)
	{
		if (errno == ENOENT)
			return NULL;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	}
	initStringInfo(&buf);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		appendBinaryStringInfo(&buf, chunk, n);
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	return buf.data;
}

/*
 * Replaces "key": <anything up to the end of the line but its comma>.
 */
static char *
replace_value(const char *json, const char *key, const char *value)
{
	char	   *search = psprintf("\"%s\": ", key);
	const char *start = strstr(json, search);
	const char *rest;

	if (start == NULL)
		return pstrdup(json);
	start += strlen(search);
	rest = start + strcspn(start, "\n");
	if (rest[-1] == ',' || rest[-1] == '}')
		rest--;
	return psprintf("%.*s%s%s", (int) (start - json), json, value, rest);
}

/*
 * The record of a backup as JSON text, valid in the encoding of the current
 * database, or NULL if there is none.
 */
char *
bbgw_history_read(int64 id)
{
	char	   *json = read_file(bbgw_path_history(id));
	char		incarnation[64];

	if (json == NULL)
		return NULL;

	if (!pg_verifymbstr(json, strlen(json), true))
		for (char *p = json; *p; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';

	snprintf(incarnation, sizeof(incarnation), "\"incarnation\": " UINT64_FORMAT ",",
			 bbgw_shared->incarnation);
	if (strstr(json, "\"status\": \"running\"") && !strstr(json, incarnation))
	{
		json = replace_value(json, "status", "\"failed\"");
		json = replace_value(json, "error", "\"" LOST_ERROR "\"");
	}
	return json;
}
