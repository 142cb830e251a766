/*-------------------------------------------------------------------------
 *
 * manifest.h
 *	  Write the backup_manifest of an archive.
 *
 * bbgw_manifest_begin(), then bbgw_manifest_add() for each file, then
 * bbgw_manifest_end(): all in one transaction, which on error closes the file
 * and frees the checksum context.  See manifest.c for the format.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_MANIFEST_H
#define BBGW_MANIFEST_H

#include "common/checksum_helper.h"
#include "pgtime.h"

/* The checksum we use for files; it finds damage and is cheap */
#define BBGW_MANIFEST_CHECKSUM CHECKSUM_TYPE_CRC32C

typedef struct BbgwManifest BbgwManifest;

extern BbgwManifest *bbgw_manifest_begin(const char *path);
extern void bbgw_manifest_add(BbgwManifest *manifest, const char *relpath,
							  uint64 size, pg_time_t mtime,
							  pg_checksum_type type,
							  const uint8 *checksum, int checksum_len);
extern uint64 bbgw_manifest_end(BbgwManifest *manifest);

extern bool bbgw_manifest_is_whole(const char *path, pg_time_t *mtime);
extern int	bbgw_manifest_checksum_file(const char *path, uint64 *size,
										pg_time_t *mtime,
										uint8 checksum[PG_CHECKSUM_MAX_LENGTH]);

#endif							/* BBGW_MANIFEST_H */
