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
 *	 "usesysid"		the role that started it
 *	 "started"		started_at as a number, a TimestampTz
 *
 * The file is written with status "running" once the backup runs, and anew
 * when it has ended (history_file.c).  A file that says "running" while the
 * backup does not run is one that could not be written anew: the server
 * stopped or crashed, or there was no room.  Then the archive says what became
 * of the backup: if there is a complete one at the destination, and it is this
 * backup's, then that was completed, else it has failed.  What was found to be
 * completed is recorded by whoever finds it.
 *
 * Text is in the encoding of the database that was backed up.  Readers in a
 * database of another encoding get question marks for what is not valid there.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "archive/find.h"
#include "backup/history.h"
#include "guard/guard_shmem.h"
#include "paths.h"

/* what becomes of a backup that the server did not outlive */
#define LOST_ERROR "the server stopped or crashed during the backup"

/* and of one that could not say what became of it */
#define UNRECORDED_ERROR \
	"the backup was not completed, and its end could not be recorded\n" \
	"HINT:  More details may be available in the server log."

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

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
	append_number(&buf, "started", (uint64) backup->order.started_at);
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

/*
 * Records a backup with the status given ("running", "completed", "failed" or
 * "cancelled"), replacing what was recorded of it before.  *backup must not
 * change meanwhile; its leader is the one to call this.  What goes wrong is
 * reported with elevel; if that is below ERROR, returns false then.
 */
bool
bbgw_history_write(const BbgwBackup *backup, const char *status, int elevel)
{
	return bbgw_history_file_write(backup->id, backup_to_json(backup, status),
								   elevel);
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

		if (id > 0 && strcmp(end, BBGW_HISTORY_SUFFIX) == 0)
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
 * What follows a key, or NULL.
 */
static const char *
find_value(const char *json, const char *key)
{
	char	   *search = psprintf("\"%s\": ", key);
	const char *start = strstr(json, search);

	return start ? start + strlen(search) : NULL;
}

static uint64
number_value(const char *json, const char *key)
{
	const char *start = find_value(json, key);

	return start ? strtou64(start, NULL, 10) : 0;
}

/*
 * The string that is the value of a key, or NULL: the reverse of escape_json().
 */
static char *
text_value(const char *json, const char *key)
{
	const char *start = find_value(json, key);
	StringInfoData buf;

	if (start == NULL || *start != '"')
		return NULL;

	initStringInfo(&buf);
	for (const char *p = start + 1; *p != '"'; p++)
	{
		static const char escapes[] = "bfnrt";
		static const char characters[] = "\b\f\n\r\t";
		const char *escape;

		if (*p != '\\')
			appendStringInfoChar(&buf, *p);
		else if (*++p == 'u')
		{
			char		digits[5];

			strlcpy(digits, p + 1, sizeof(digits));
			appendStringInfoChar(&buf, (char) strtol(digits, NULL, 16));
			p += 4;
		}
		else if ((escape = strchr(escapes, *p)) != NULL)
			appendStringInfoChar(&buf, characters[escape - escapes]);
		else
			appendStringInfoChar(&buf, *p);
	}
	return buf.data;
}

static bool
says_running(const char *json)
{
	char	   *status = text_value(json, "status");

	return status && strcmp(status, "running") == 0;
}

/*
 * Has a backup that is recorded as running a slot?
 */
static bool
is_running(int64 id, const char *json)
{
	bool		found;

	if (number_value(json, "incarnation") != bbgw_shared->incarnation)
		return false;
	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	found = bbgw_backup_find(id) != NULL;
	LWLockRelease(bbgw_shared->lock);
	return found;
}

/*
 * What became of a backup whose record ends with its start.
 */
static char *
find_out(int64 id, char *json)
{
	TimestampTz started = (TimestampTz) number_value(json, "started");
	char	   *destination = text_value(json, "destination");
	pg_time_t	mtime;

	if (destination && bbgw_archive_find(destination, started, &mtime))
	{
		static const char *const unknown[] = {
			"tables", "bytes_read", "bytes_written", "files_preserved", "lock_yields"
		};
		TimestampTz finished = Max(started, time_t_to_timestamptz(mtime));

		json = replace_value(json, "status", "\"completed\"");
		json = replace_value(json, "finished_at",
							 psprintf("\"%s\"", timestamptz_to_str(finished)));
		for (size_t i = 0; i < lengthof(unknown); i++)
			json = replace_value(json, unknown[i], "null");

		/* the archive may be moved some day */
		(void) bbgw_history_file_write(id, json, DEBUG1);
	}
	else
	{
		StringInfoData error;

		initStringInfo(&error);
		escape_json(&error,
					number_value(json, "incarnation") == bbgw_shared->incarnation ?
					UNRECORDED_ERROR : LOST_ERROR);
		json = replace_value(json, "status", "\"failed\"");
		json = replace_value(json, "error", error.data);
	}
	return json;
}

/*
 * What takes the place of a record that cannot be read.
 */
static char *
damaged_json(int64 id, const char *damage)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	append_number(&buf, "backup_id", id);
	append_text(&buf, "status", "unknown");
	append_text(&buf, "error", damage);
	appendStringInfoString(&buf, "}\n");
	return buf.data;
}

/*
 * The record of a backup, or NULL if there is none.  Whatever is wrong with
 * the file is part of the answer.
 */
BbgwHistoryEntry *
bbgw_history_read(int64 id)
{
	BbgwHistoryEntry *entry = palloc0(sizeof(BbgwHistoryEntry));
	char	   *json = bbgw_history_file_read(id, &entry->damage);

	if (json && says_running(json) && !is_running(id, json))
	{
		/* it may have ended since, so what is there now is the last word */
		json = bbgw_history_file_read(id, &entry->damage);
		if (json && says_running(json))
			json = find_out(id, json);
	}
	if (json == NULL && entry->damage == NULL)
		return NULL;

	if (entry->damage)
		json = damaged_json(id, entry->damage);
	else if (!pg_verifymbstr(json, strlen(json), true))
		for (char *p = json; *p; p++)
			if (IS_HIGHBIT_SET(*p))
				*p = '?';
	entry->json = json;
	entry->status = text_value(json, "status");
	entry->roleid = (Oid) number_value(json, "usesysid");
	return entry;
}

static void
clean_up_at_start(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	/* nobody is writing: the server starts, or starts anew after a crash */
	if (!IsUnderPostmaster)
		bbgw_history_file_clean();
}

/*
 * Has the server clean up when it starts.  To be called from _PG_init() at
 * preload time.
 */
void
bbgw_history_init(void)
{
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = clean_up_at_start;
}
