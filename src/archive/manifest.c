/*-------------------------------------------------------------------------
 *
 * manifest.c
 *	  Write the backup_manifest of an archive.
 *
 * The manifest lists every other file of the archive with its size and
 * checksum, so that stock "pg_verifybackup -n" (from version 18 on, with
 * "-F plain") finds files that are damaged, missing or not ours.
 *
 * FILE FORMAT
 *
 * Version 1 of the manifest of a base backup, which every pg_verifybackup
 * understands.  (Version 2 adds the system identifier, which is then compared
 * with a pg_control that we do not have.)  It is one JSON object, in UTF-8:
 *
 *	{ "PostgreSQL-Backup-Manifest-Version": 1,
 *	"Files": [
 *	{ "Path": "toc.dat", "Size": 4711,
 *	  "Last-Modified": "2024-01-31 23:59:59 GMT",
 *	  "Checksum-Algorithm": "CRC32C", "Checksum": "0a1b2c3d" },
 *	...
 *	],
 *	"WAL-Ranges": [],
 *	"Manifest-Checksum": "..."}
 *
 * - Each member of Files is on one line (it is broken here for want of room).
 * - Path is relative to the manifest's directory.  A path that is not valid
 *   UTF-8 comes as "Encoded-Path" instead, its bytes in hexadecimal.
 * - Size is in bytes; Last-Modified is informative only.
 * - Checksum is in hexadecimal, the bytes as pg_checksum_final() gives them.
 *   Without a checksum, both checksum fields are absent.
 * - A logical backup needs no WAL, hence the empty list.
 * - Manifest-Checksum is the SHA-256 of everything before its own line, which
 *   is the last one and ends in a newline.
 *
 * CONSTRAINTS
 *
 * Entries go straight to the file, so that a backup of 100,000 tables does not
 * collect them in memory.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "archive/manifest.h"

#define MANIFEST_READ_SIZE (128 * 1024)

struct BbgwManifest
{
	FILE	   *file;
	char	   *path;
	pg_cryptohash_ctx *sha256;	/* of what has been written so far */
	uint64		size;			/* ditto */
	bool		first_file;
	StringInfoData buf;			/* the line being made */
};


static void
append_hex(StringInfo buf, const void *data, int len)
{
	enlargeStringInfo(buf, 2 * len);
	buf->len += hex_encode(data, len, buf->data + buf->len);
	buf->data[buf->len] = '\0';
}

static void
append_last_line(StringInfo buf, const uint8 digest[PG_SHA256_DIGEST_LENGTH])
{
	appendStringInfoString(buf, "\"Manifest-Checksum\": \"");
	append_hex(buf, digest, PG_SHA256_DIGEST_LENGTH);
	appendStringInfoString(buf, "\"}\n");
}

/* Write out manifest->buf, and empty it. */
static void
flush_line(BbgwManifest *manifest)
{
	StringInfo	buf = &manifest->buf;

	if (pg_cryptohash_update(manifest->sha256,
							 (const uint8 *) buf->data, buf->len) < 0)
		elog(ERROR, "could not update checksum of backup manifest: %s",
			 pg_cryptohash_error(manifest->sha256));

	errno = 0;
	if (fwrite(buf->data, 1, buf->len, manifest->file) != (size_t) buf->len)
	{
		/* a full disk may come without an error code */
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", manifest->path)));
	}
	manifest->size += buf->len;
	resetStringInfo(buf);
}

/*
 * Start a manifest in the file "path", replacing what is there.
 *
 * Requires a transaction.  The result lives in the current memory context.
 * Raises an I/O error.
 */
BbgwManifest *
bbgw_manifest_begin(const char *path)
{
	BbgwManifest *manifest = palloc0(sizeof(BbgwManifest));

	manifest->path = pstrdup(path);
	manifest->first_file = true;
	initStringInfo(&manifest->buf);

	manifest->sha256 = pg_cryptohash_create(PG_SHA256);
	if (manifest->sha256 == NULL || pg_cryptohash_init(manifest->sha256) < 0)
		elog(ERROR, "could not initialize checksum of backup manifest: %s",
			 pg_cryptohash_error(manifest->sha256));

	manifest->file = AllocateFile(path, PG_BINARY_W);
	if (manifest->file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));

	appendStringInfoString(&manifest->buf,
						   "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n"
						   "\"Files\": [");
	flush_line(manifest);
	return manifest;
}

/*
 * Add a file.
 *
 * relpath is relative to the directory of the manifest; each file must be
 * added once only, and the manifest itself not at all.  The checksum is
 * ignored if type is CHECKSUM_TYPE_NONE.  Raises an I/O error.
 */
void
bbgw_manifest_add(BbgwManifest *manifest, const char *relpath, uint64 size,
				  pg_time_t mtime, pg_checksum_type type,
				  const uint8 *checksum, int checksum_len)
{
	StringInfo	buf = &manifest->buf;
	int			pathlen = (int) strlen(relpath);
	char		when[64];

	/* no comma may follow the last file, so each one ends its predecessor */
	appendStringInfoString(buf, manifest->first_file ? "\n" : ",\n");
	manifest->first_file = false;

	if (pg_verify_mbstr(PG_UTF8, relpath, pathlen, true))
	{
		appendStringInfoString(buf, "{ \"Path\": ");
		escape_json(buf, relpath);
	}
	else
	{
		appendStringInfoString(buf, "{ \"Encoded-Path\": \"");
		append_hex(buf, relpath, pathlen);
		appendStringInfoChar(buf, '"');
	}

	pg_strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", pg_gmtime(&mtime));
	appendStringInfo(buf, ", \"Size\": " UINT64_FORMAT ", \"Last-Modified\": \"%s\"",
					 size, when);

	if (type != CHECKSUM_TYPE_NONE)
	{
		appendStringInfo(buf, ", \"Checksum-Algorithm\": \"%s\", \"Checksum\": \"",
						 pg_checksum_type_name(type));
		append_hex(buf, checksum, checksum_len);
		appendStringInfoChar(buf, '"');
	}
	appendStringInfoString(buf, " }");
	flush_line(manifest);
}

/*
 * Finish the manifest: write its own checksum, flush it to disk, free it.
 * Returns the size of the file.
 *
 * Must run in the transaction of bbgw_manifest_begin().  Raises an I/O error.
 */
uint64
bbgw_manifest_end(BbgwManifest *manifest)
{
	uint64		size;
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	appendStringInfoString(&manifest->buf, "\n],\n\"WAL-Ranges\": [],\n");
	flush_line(manifest);

	if (pg_cryptohash_final(manifest->sha256, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not finalize checksum of backup manifest: %s",
			 pg_cryptohash_error(manifest->sha256));
	pg_cryptohash_free(manifest->sha256);

	append_last_line(&manifest->buf, digest);

	errno = 0;
	if (fwrite(manifest->buf.data, 1, manifest->buf.len, manifest->file) !=
		(size_t) manifest->buf.len ||
		fflush(manifest->file) != 0)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", manifest->path)));
	}
	if (pg_fsync(fileno(manifest->file)) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", manifest->path)));
	if (FreeFile(manifest->file) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", manifest->path)));

	size = manifest->size + manifest->buf.len;
	pfree(manifest->buf.data);
	pfree(manifest->path);
	pfree(manifest);
	return size;
}

/*
 * Read a whole file for what the manifest says about it: its size, when it was
 * last modified and its BBGW_MANIFEST_CHECKSUM, whose length is returned.
 *
 * Requires a transaction, which closes the file on error, and that nobody
 * writes to the file.  Raises an I/O error.
 */
int
bbgw_manifest_checksum_file(const char *path, uint64 *size, pg_time_t *mtime,
							uint8 checksum[PG_CHECKSUM_MAX_LENGTH])
{
	int			fd;
	int			len;
	uint8	   *buf = palloc(MANIFEST_READ_SIZE);
	pg_checksum_context ctx;
	struct stat st;

	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	if (fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));

	if (pg_checksum_init(&ctx, BBGW_MANIFEST_CHECKSUM) < 0)
		elog(ERROR, "could not initialize checksum of file \"%s\"", path);

	*size = 0;
	*mtime = (pg_time_t) st.st_mtime;
	for (;;)
	{
		ssize_t		nread = read(fd, buf, MANIFEST_READ_SIZE);

		CHECK_FOR_INTERRUPTS();
		if (nread < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", path)));
		if (nread == 0)
			break;
		if (pg_checksum_update(&ctx, buf, nread) < 0)
			elog(ERROR, "could not update checksum of file \"%s\"", path);
		*size += nread;
	}

	len = pg_checksum_final(&ctx, checksum);
	if (len < 0)
		elog(ERROR, "could not finalize checksum of file \"%s\"", path);
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", path)));
	pfree(buf);
	return len;
}

/*
 * Is the file "fd", of this size, what it says of itself in its last line?
 */
static bool
checksum_matches(int fd, int64 size)
{
	pg_cryptohash_ctx *sha256 = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH] = {0};
	uint8	   *buf = palloc(MANIFEST_READ_SIZE);
	StringInfoData line;
	int64		left;
	bool		ok;

	/* its length is always the same */
	initStringInfo(&line);
	append_last_line(&line, digest);
	left = size - line.len;

	ok = sha256 != NULL && pg_cryptohash_init(sha256) == 0 && left > 0;
	while (ok && left > 0)
	{
		ssize_t		nread = read(fd, buf, Min(left, MANIFEST_READ_SIZE));

		ok = nread > 0 && pg_cryptohash_update(sha256, buf, nread) == 0;
		left -= nread;
	}
	ok = ok && pg_cryptohash_final(sha256, digest, sizeof(digest)) == 0;
	resetStringInfo(&line);
	append_last_line(&line, digest);
	ok = ok && read(fd, buf, MANIFEST_READ_SIZE) == line.len &&
		memcmp(buf, line.data, line.len) == 0;

	pg_cryptohash_free(sha256);
	pfree(line.data);
	pfree(buf);
	return ok;
}

/*
 * Is there a manifest, written to its end?  If so, *mtime is when it was last
 * modified.  Says no, and raises nothing, if it cannot be read.
 */
bool
bbgw_manifest_is_whole(const char *path, pg_time_t *mtime)
{
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	struct stat st;
	bool		ok;

	if (fd < 0)
		return false;
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		checksum_matches(fd, st.st_size);
	if (ok)
		*mtime = (pg_time_t) st.st_mtime;
	CloseTransientFile(fd);
	return ok;
}
