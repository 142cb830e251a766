/*-------------------------------------------------------------------------
 *
 * history_file.c
 *	  Files of the history: written as a whole, and known when damaged.
 *
 * A file is one JSON object (history.c) on a line per key.  The last key is
 *
 *	 "crc"			CRC-32C of all that is before its own line
 *
 * It is written under another name, fsynced and renamed, so that it is whole
 * whenever the server stops.  Where the checksum is wrong nothing of the file
 * is believed; one damaged file must not hide the others.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "backup/history.h"
#include "paths.h"

/* what comes before the checksum's own line: nothing of it is summed up */
#define CRC_KEY ",\n \"crc\": "

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
	/* two processes may find out the same at the same time */
	char	   *temp = psprintf("%s.%d%s", path, MyProcPid, BBGW_TEMP_SUFFIX);
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
 * Where the part of a file that is summed up ends, which is where CRC_KEY
 * begins for the last time; NULL if it does not.
 */
static const char *
find_crc(const char *json)
{
	const char *found = NULL;

	for (const char *p = json; (p = strstr(p, CRC_KEY)) != NULL; p++)
		found = p;
	return found;
}

/*
 * The last line of a file whose other content is len bytes at json.
 */
static char *
crc_line(const char *json, size_t len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, json, len);
	FIN_CRC32C(crc);
	return psprintf("%s%u}\n", CRC_KEY, crc);
}

/*
 * Writes the file of a backup: a JSON object as text, without the key "crc" or
 * with an old one.  What goes wrong is reported with elevel; if that is below
 * ERROR, returns false then.
 */
bool
bbgw_history_file_write(int64 id, const char *json, int elevel)
{
	const char *old = find_crc(json);
	const char *end = old ? old : strrchr(json, '}');
	size_t		len = end - json;

	return make_directory(BBGW_STATE_DIR, elevel) &&
		make_directory(BBGW_HISTORY_DIR, elevel) &&
		write_file(bbgw_path_history(id),
				   psprintf("%.*s%s", (int) len, json, crc_line(json, len)),
				   elevel);
}

/*
 * Reads a file into *buf.  Returns false, with errno set, if that is not
 * possible.
 */
static bool
read_file(const char *path, StringInfo buf)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	char		chunk[4096];
	ssize_t		n;
	int			save_errno;

	if (fd < 0)
		return false;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
	{
		appendBinaryStringInfo(buf, chunk, n);
		/* nothing that we write is that long */
		if (buf->len > 1024 * 1024)
			break;
	}
	save_errno = errno;
	CloseTransientFile(fd);
	errno = save_errno;
	return n >= 0;
}

/*
 * Reads the file of a backup.  Returns NULL if there is none; also if it is
 * damaged, with *damage, which is NULL otherwise, saying so.
 */
char *
bbgw_history_file_read(int64 id, const char **damage)
{
	char	   *path = bbgw_path_history(id);
	StringInfoData buf;
	const char *end;

	*damage = NULL;
	initStringInfo(&buf);
	if (!read_file(path, &buf))
	{
		if (errno != ENOENT)
			*damage = psprintf(_("history file \"%s\" could not be read: %s"),
							   path, strerror(errno));
		return NULL;
	}

	end = find_crc(buf.data);
	if (strlen(buf.data) != (size_t) buf.len || end == NULL ||
		strcmp(end, crc_line(buf.data, end - buf.data)) != 0)
	{
		*damage = psprintf(_("history file \"%s\" is damaged"), path);
		return NULL;
	}
	return buf.data;
}

/*
 * Removes files that nobody has completed.  To be called when nobody writes.
 * Raises nothing.
 */
void
bbgw_history_file_clean(void)
{
	DIR		   *dir = AllocateDir(BBGW_HISTORY_DIR);
	struct dirent *de;

	if (dir == NULL)
		return;
	while ((de = ReadDirExtended(dir, BBGW_HISTORY_DIR, LOG)) != NULL)
	{
		char		path[MAXPGPATH];
		size_t		len = strlen(de->d_name);

		if (len < strlen(BBGW_TEMP_SUFFIX) ||
			strcmp(de->d_name + len - strlen(BBGW_TEMP_SUFFIX), BBGW_TEMP_SUFFIX) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", BBGW_HISTORY_DIR, de->d_name);
		if (unlink(path) != 0)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not remove file \"%s\": %m", path)));
	}
	FreeDir(dir);
}
