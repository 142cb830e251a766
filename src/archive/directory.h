/*-------------------------------------------------------------------------
 *
 * directory.h
 *	  The directory of an archive that is being written.
 *
 * It is called <destination>.partial until bbgw_directory_finish() gives it
 * its final name.  In it is a directory for pg_dump, which wants an empty one;
 * what is to stay of that goes by bbgw_directory_take_dumped().
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_DIRECTORY_H
#define BBGW_DIRECTORY_H

#include "backup_bgw.h"

typedef struct BbgwDirectory BbgwDirectory;

extern BbgwDirectory *bbgw_directory_create(const char *destination);
extern const char *bbgw_directory_path(const BbgwDirectory *dir);
extern void bbgw_directory_check(const BbgwDirectory *dir);
extern const char *bbgw_directory_begin_dump(BbgwDirectory *dir);
extern bool bbgw_directory_syncs_all(const BbgwDirectory *dir);
extern uint64 bbgw_directory_dumped_size(const BbgwDirectory *dir,
										 const char *name);
extern void bbgw_directory_unlink_dumped(const BbgwDirectory *dir,
										 const char *name);
extern void bbgw_directory_take_dumped(const BbgwDirectory *dir,
									   const char *name);
extern void bbgw_directory_clear_dump(const BbgwDirectory *dir,
									  const char *keep);
extern void bbgw_directory_end_dump(BbgwDirectory *dir);
extern void bbgw_directory_unlink(const BbgwDirectory *dir, const char *name);
extern void bbgw_directory_rename(const BbgwDirectory *dir, const char *from,
								  const char *to);
extern void bbgw_directory_expect(BbgwDirectory *dir, const char *name,
								  uint64 size);
extern void bbgw_directory_finish(BbgwDirectory *dir);
extern void bbgw_directory_remove(BbgwDirectory *dir);

#endif							/* BBGW_DIRECTORY_H */
