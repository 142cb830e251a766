/*-------------------------------------------------------------------------
 *
 * paths.c
 *	  Makes paths and file names (paths.h).  Results are palloc'd.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/timestamp.h"

#include "paths.h"

/* pg_dump's, for large objects and lists of them */
#define OBJECT_PREFIX "blob"

/*
 * errcode_for_file_access() for paths that users give, where more can go wrong
 * than in the server's own directories.  To be called in an ereport().
 */
int
bbgw_errcode_for_path(void)
{
	switch (errno)
	{
		case ELOOP:
			return errcode(ERRCODE_UNDEFINED_FILE);
		case ENAMETOOLONG:
			return errcode(ERRCODE_FILE_NAME_TOO_LONG);
		case ENOTEMPTY:
			return errcode(ERRCODE_DUPLICATE_FILE);
		case EBUSY:
		case ETXTBSY:
			return errcode(ERRCODE_OBJECT_IN_USE);
		case EXDEV:
		case EINVAL:
			return errcode(ERRCODE_INVALID_PARAMETER_VALUE);
		default:
			return errcode_for_file_access();
	}
}

/*
 * History file of a backup, relative to the data directory.
 */
char *
bbgw_path_history(int64 id)
{
	return psprintf("%s/" INT64_FORMAT "%s", BBGW_HISTORY_DIR, id,
					BBGW_HISTORY_SUFFIX);
}

/*
 * Directory that the archive is in until it is complete.
 */
char *
bbgw_path_partial(const char *destination)
{
	return psprintf("%s%s", destination, BBGW_PARTIAL_SUFFIX);
}

/*
 * A file in a directory.
 */
char *
bbgw_path_in(const char *directory, const char *name)
{
	return psprintf("%s/%s", directory, name);
}

/*
 * File that a worker writes the rows of a slice (counted from 0) of a table to.
 */
char *
bbgw_name_rows(Oid relid, int slice)
{
	return psprintf("rows_%u_%d%s", relid, slice + 1, BBGW_TEMP_SUFFIX);
}

/*
 * Data file of a slice (counted from 0) of a table, as toc.dat names it.  A
 * table in one piece keeps the name that pg_dump gave it.
 */
char *
bbgw_name_data(int dump_id, int slice)
{
	if (slice == 0)
		return psprintf("%d%s", dump_id, BBGW_DATA_SUFFIX);
	return psprintf("%d_%d%s", dump_id, slice + 1, BBGW_DATA_SUFFIX);
}

/*
 * File in which a worker says what large objects it has written: those of a
 * slice (counted from 0) of all.
 */
char *
bbgw_name_objects(int slice)
{
	return psprintf("objects_%d%s", slice + 1, BBGW_TEMP_SUFFIX);
}

/*
 * File of a large object, as pg_dump's lists name it.
 */
char *
bbgw_name_object(Oid oid)
{
	return psprintf("%s_%u%s", OBJECT_PREFIX, oid, BBGW_DATA_SUFFIX);
}

/*
 * Is it a file that pg_dump has for large objects?
 */
bool
bbgw_name_is_object(const char *name)
{
	return strncmp(name, OBJECT_PREFIX, strlen(OBJECT_PREFIX)) == 0;
}

/*
 * Name of a backup whose caller gave none: <dbname>-<UTC yyyymmddThhmmssZ>.
 * A database name may have slashes in it, a file name may not.
 */
char *
bbgw_name_default_destination(const char *datname, TimestampTz now)
{
	pg_time_t	t = timestamptz_to_time_t(now);
	char		stamp[32];
	char	   *name;

	pg_strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", pg_gmtime(&t));
	name = psprintf("%s-%s", datname, stamp);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	return name;
}
