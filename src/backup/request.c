/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Checks and normalizes what the caller of start_backup() asks for.
 *
 * Every check raises an error that says what to do, and changes nothing.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "archive/codec.h"
#include "backup/request.h"
#include "paths.h"

/*
 * Returns what to compress with by its name, of that length.
 */
static BbgwCompression
compression_by_name(const char *text, size_t len)
{
	for (int i = BBGW_COMPRESSION_NONE + 1; i <= BBGW_COMPRESSION_MAX; i++)
	{
		const BbgwCodec *codec = bbgw_codec(i);

		if (strlen(codec->name) == len && strncmp(text, codec->name, len) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized compression: \"%s\"", text),
			 errhint("Use \"lz4\", \"zstd\" or \"gzip\", also with a level as in \"zstd:9\", or \"none\".")));
}

/*
 * Parses 'none', the name of a codec, or that and a level, 'lz4:LEVEL'.
 */
void
bbgw_request_compression(const char *text, BbgwCompression *compression,
						 int *level)
{
	size_t		name_len = strcspn(text, ":");
	const BbgwCodec *codec;
	int			min;
	int			max;
	const char *digits;
	char	   *end;
	long		value;

	*compression = BBGW_COMPRESSION_NONE;
	*level = 0;
	if (strcmp(text, "none") == 0)
		return;

	*compression = compression_by_name(text, name_len);
	codec = bbgw_codec(*compression);
	if (!bbgw_codec_is_built(codec))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this build of backup_bgw does not support compression with %s",
						codec->name),
				 errhint("Use \"lz4\", or build backup_bgw where %s and its header files are installed.",
						 codec->library)));
	*level = codec->default_level;
	if (text[name_len] == '\0')
		return;

	codec->levels(&min, &max);
	digits = text + name_len + 1;
	errno = 0;
	value = strtol(digits, &end, 10);
	if (end == digits || *end != '\0' || errno != 0 ||
		value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s compression level: \"%s\"",
						codec->name, digits),
				 errhint("The level must be an integer from %d to %d.",
						 min, max)));
	*level = (int) value;
}

typedef struct RateUnit
{
	const char *unit;
	double		factor;
} RateUnit;

/*
 * Parses a rate such as '50MB' (per second).  A number alone is in kilobytes,
 * as for pg_basebackup --max-rate.  Returns bytes.
 */
uint64
bbgw_request_rate(const char *text)
{
	static const RateUnit units[] = {
		{"", 1024.0},
		{"B", 1.0},
		{"k", 1024.0},
		{"kB", 1024.0},
		{"M", 1048576.0},
		{"MB", 1048576.0},
		{"GB", 1073741824.0},
		{"TB", 1099511627776.0},
	};
	char	   *end;
	double		value;

	errno = 0;
	value = strtod(text, &end);
	if (end != text && errno == 0)
	{
		while (isspace((unsigned char) *end))
			end++;
		for (size_t i = 0; i < lengthof(units); i++)
		{
			double		bytes = value * units[i].factor;

			if (strcmp(end, units[i].unit) == 0 && bytes >= 1024.0 &&
				bytes < 1e15)
				return (uint64) bytes;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for max_rate: \"%s\"", text),
			 errhint("Give bytes per second as a number with one of the units \"B\", \"kB\", \"MB\", \"GB\" and \"TB\", at least 1kB.")));
}

static bool
has_suffix(const char *path, const char *suffix)
{
	size_t		len = strlen(path);
	size_t		suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(path + len - suffix_len, suffix) == 0;
}

/* Is path the directory dir, or below it?  Both canonical. */
static bool
path_is_within(const char *path, const char *dir)
{
	size_t		len = strlen(dir);

	return strncmp(path, dir, len) == 0 &&
		(path[len] == '\0' || path[len] == '/' || dir[len - 1] == '/');
}

/*
 * Does a link lead to the real path given, or above it?  Returns where it leads
 * then, malloc'd, else NULL.
 */
static char *
link_around(const char *link, const char *real_path)
{
	char	   *real = realpath(link, NULL);

	if (real && path_is_within(real_path, real))
		return real;
	free(real);
	return NULL;
}

/*
 * A backup in the data directory would be in every physical backup, and what
 * checks or cleans that directory does not expect it.  The same holds for
 * directories of the server that are elsewhere, with a link to them in the
 * data directory: WAL, as initdb can have it, others, as administrators can;
 * and for tablespaces.
 */
static void
check_outside_data(const char *destination, const char *real_parent)
{
	char	   *real;
	DIR		   *dir;
	struct dirent *de;

	if (link_around(DataDir, real_parent))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("destination \"%s\" is inside the data directory", destination),
				 errhint("Choose a directory outside \"%s\".", DataDir)));

	dir = AllocateDir(".");
	while ((de = ReadDir(dir, ".")) != NULL)
	{
		if ((strncmp(de->d_name, "pg_", 3) == 0 ||
			 strcmp(de->d_name, "base") == 0 ||
			 strcmp(de->d_name, "global") == 0) &&
			(real = link_around(de->d_name, real_parent)) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("destination \"%s\" is inside the data directory", destination),
					 errdetail("\"%s\" is the server's directory \"%s\".",
							   real, de->d_name)));
	}
	FreeDir(dir);

	dir = AllocateDir("pg_tblspc");
	while ((de = ReadDir(dir, "pg_tblspc")) != NULL)
	{
		char		link[MAXPGPATH];

		if (strspn(de->d_name, "0123456789") != strlen(de->d_name))
			continue;
		snprintf(link, sizeof(link), "pg_tblspc/%s", de->d_name);
		if ((real = link_around(link, real_parent)) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("destination \"%s\" is inside the tablespace directory \"%s\"",
							destination, real)));
	}
	FreeDir(dir);
}

/*
 * Is the directory where another file system is mounted?  That of a bind mount
 * has the device of the parent, which only Linux can tell.
 */
static bool
is_mount_point(const char *path, const struct stat *st,
			   const struct stat *parent_st)
{
#ifdef STATX_ATTR_MOUNT_ROOT
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
		(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
		return true;
#endif
	return st->st_dev != parent_st->st_dev;
}

/*
 * An empty directory is replaced in the end, when the backup is renamed.  Links
 * and mount points cannot be.
 */
static void
check_replaceable(const char *destination, const struct stat *parent_st)
{
	struct stat st;

	if (lstat(destination, &st) != 0)
	{
		if (errno == ENOENT)
			return;
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not access destination \"%s\": %m", destination)));
	}
	if (S_ISLNK(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FILE),
				 errmsg("destination \"%s\" is a symbolic link", destination),
				 errhint("Give the path of a directory that is to be created, or is empty.")));
	if (S_ISDIR(st.st_mode) && is_mount_point(destination, &st, parent_st))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("destination \"%s\" is a mount point", destination),
				 errdetail("Until it is complete, the backup would be written to the file system of the parent directory."),
				 errhint("Choose a directory in it.")));
}

static void
check_free(const char *destination)
{
	char	   *partial = bbgw_path_partial(destination);
	struct stat st;

	switch (pg_check_dir(destination))
	{
		case 0:					/* not there */
		case 1:					/* empty */
			break;
		case -1:
			if (errno == ENOTDIR)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_FILE),
						 errmsg("destination \"%s\" exists and is not a directory",
								destination)));
			ereport(ERROR,
					(bbgw_errcode_for_path(),
					 errmsg("could not access destination \"%s\": %m", destination)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_FILE),
					 errmsg("destination \"%s\" exists and is not empty", destination),
					 errhint("Choose another destination, or remove or empty the directory.")));
	}

	if (lstat(partial, &st) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FILE),
				 errmsg("\"%s\" exists", partial),
				 errdetail("Another backup is writing there, or one was left unfinished when the server stopped."),
				 errhint("If no backup is running there, remove the directory.")));
	if (errno != ENOENT)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not create directory \"%s\" for the destination: %m",
						partial)));
}

/*
 * Makes a destination (NULL: default name) an absolute, canonical path, and
 * checks that a backup can be written there.
 */
char *
bbgw_request_destination(const char *text, const char *datname,
						 TimestampTz now)
{
	char	   *name;
	char	   *destination;
	char	   *parent;
	char	   *real_parent;
	struct stat st;

	name = text ? pstrdup(text) : bbgw_name_default_destination(datname, now);
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("destination must not be empty")));

	if (is_absolute_path(name))
		destination = name;
	else if (bbgw_directory[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 text ?
				 errmsg("destination \"%s\" is relative, and backup_bgw.directory is not set", text) :
				 errmsg("no destination was given, and backup_bgw.directory is not set"),
				 errhint("Give an absolute path, or set backup_bgw.directory.")));
	else
		destination = psprintf("%s/%s", bbgw_directory, name);

	if (strlen(destination) + strlen(BBGW_PARTIAL_SUFFIX) + BBGW_MAX_NAME >= MAXPGPATH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("destination is too long")));
	canonicalize_path(destination);
	if (has_suffix(destination, BBGW_PARTIAL_SUFFIX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("destination \"%s\" ends in \"%s\"", destination,
						BBGW_PARTIAL_SUFFIX),
				 errhint("That is how unfinished backups are called.")));

	parent = pstrdup(destination);
	get_parent_directory(parent);
	if (parent[0] == '\0' || strcmp(parent, destination) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid destination: \"%s\"", destination)));

	real_parent = realpath(parent, NULL);
	if (real_parent == NULL || stat(real_parent, &st) != 0)
		ereport(ERROR,
				(bbgw_errcode_for_path(),
				 errmsg("could not access directory \"%s\" of the destination: %m", parent),
				 errhint("It must exist and be writable by the user the server runs as.")));
	if (!S_ISDIR(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a directory", parent)));
	check_outside_data(destination, real_parent);
	{
		/* the last component may itself lead there */
		char	   *real = realpath(destination, NULL);

		if (real)
			check_outside_data(destination, real);
		free(real);
	}
	check_replaceable(destination, &st);
	check_free(destination);
	if (access(real_parent, W_OK | X_OK) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("directory \"%s\" of the destination is not writable: %m", parent),
				 errhint("It must be writable by the user the server runs as.")));
	free(real_parent);
	return destination;
}

static Size
strings_size(List *strings)
{
	Size		size = 1;
	ListCell   *lc;

	foreach(lc, strings)
		size += strlen(lfirst(lc)) + 1;
	return size;
}

static char *
write_strings(char *dst, List *strings)
{
	ListCell   *lc;

	foreach(lc, strings)
		dst = stpcpy(dst, lfirst(lc)) + 1;
	*dst++ = '\0';
	return dst;
}

static const char *
read_strings(const char *src, List **strings)
{
	*strings = NIL;
	for (; *src; src += strlen(src) + 1)
		*strings = lappend(*strings, pstrdup(src));
	return src + 1;
}

/*
 * Size of a request as it travels to the leader: settings, then the strings,
 * each null-terminated; of lists an empty string is the end.
 */
Size
bbgw_request_size(const BbgwRequest *request)
{
	return sizeof(BbgwRequestSettings) +
		strlen(request->conninfo) + 1 + strlen(request->pg_dump_path) + 1 +
		strings_size(request->include) + strings_size(request->exclude);
}

/*
 * Writes bbgw_request_size() bytes to dst.
 */
void
bbgw_request_write(char *dst, const BbgwRequest *request)
{
	memcpy(dst, &request->settings, sizeof(BbgwRequestSettings));
	dst += sizeof(BbgwRequestSettings);
	dst = stpcpy(dst, request->conninfo) + 1;
	dst = stpcpy(dst, request->pg_dump_path) + 1;
	dst = write_strings(dst, request->include);
	write_strings(dst, request->exclude);
}

/*
 * The reverse of bbgw_request_write(), into the current memory context.
 */
BbgwRequest *
bbgw_request_read(const char *src)
{
	BbgwRequest *request = palloc0(sizeof(BbgwRequest));

	memcpy(&request->settings, src, sizeof(BbgwRequestSettings));
	src += sizeof(BbgwRequestSettings);
	request->conninfo = pstrdup(src);
	src += strlen(src) + 1;
	request->pg_dump_path = pstrdup(src);
	src += strlen(src) + 1;
	src = read_strings(src, &request->include);
	read_strings(src, &request->exclude);
	return request;
}
