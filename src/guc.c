/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings backup_bgw.*.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "backup_bgw.h"

/* 1 GB, in blocks */
#define BBGW_DEFAULT_SLICE_SIZE (1024 * 1024 * 1024 / BLCKSZ)

char	   *bbgw_directory = NULL;
char	   *bbgw_conninfo = NULL;
char	   *bbgw_pg_dump_path = NULL;
int			bbgw_jobs = 2;
int			bbgw_max_backups = 4;
int			bbgw_history_size = 1000;
int			bbgw_slice_size = BBGW_DEFAULT_SLICE_SIZE;
bool		bbgw_overlap = true;
int			bbgw_max_preserved_size = 0;
int			bbgw_prepared_transactions = BBGW_PREPARED_ERROR;
int			bbgw_commit_timeout = 30000;

static const struct config_enum_entry prepared_transactions_options[] = {
	{"error", BBGW_PREPARED_ERROR, false},
	{"wait", BBGW_PREPARED_WAIT, false},
{NULL, 0, false}};

static bool
check_absolute_path(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || **newval == '\0' || is_absolute_path(*newval))
		return true;

	GUC_check_errdetail("The path must be absolute, or empty.");
	return false;
}

/*
 * Defines the settings.  To be called from _PG_init() at preload time.
 */
void
bbgw_guc_init(void)
{
	DefineCustomStringVariable("backup_bgw.directory",
							   "Directory that relative destinations of backups are in.",
							   "Empty: destinations must be absolute.",
							   &bbgw_directory, "",
							   PGC_SUSET, 0,
							   check_absolute_path, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.jobs",
							"Number of table workers of a backup that does not say.",
							NULL,
							&bbgw_jobs, 2, 1, BBGW_MAX_JOBS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("backup_bgw.conninfo",
							   "Extra libpq connection settings for pg_dump.",
							   "They come after, and so override, the socket directory, port, "
							   "database and user that are used by default.",
							   &bbgw_conninfo, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("backup_bgw.pg_dump_path",
							   "Path of pg_dump.",
							   "Empty: pg_dump in the server's own directory of programs.",
							   &bbgw_pg_dump_path, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY,
							   check_absolute_path, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.max_backups",
							"Maximum number of backups that run at the same time.",
							NULL,
							&bbgw_max_backups, 4, 1, 64,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.history_size",
							"Number of ended backups kept in backup_history.",
							"0 keeps all.",
							&bbgw_history_size, 1000, 0, INT_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.slice_size",
							"Size of the block ranges that big tables are cut into.",
							"Each range becomes a data file of its own. 0 writes one file per table.",
							&bbgw_slice_size, BBGW_DEFAULT_SLICE_SIZE, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_BLOCKS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("backup_bgw.overlap",
							 "Reads tables while pg_dump still reads the schema.",
							 NULL,
							 &bbgw_overlap, true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.max_preserved_size",
							"Most disk space that files preserved for one backup may take.",
							"A backup that needs more fails; other transactions never do. 0 sets no limit.",
							&bbgw_max_preserved_size, 0, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomEnumVariable("backup_bgw.prepared_transactions",
							 "What start_backup() does when a prepared transaction might unlink files.",
							 NULL,
							 &bbgw_prepared_transactions, BBGW_PREPARED_ERROR,
							 prepared_transactions_options,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("backup_bgw.commit_timeout",
							"How long start_backup() waits for commits in flight.",
							"0 waits without limit.",
							&bbgw_commit_timeout, 30000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("backup_bgw");
}
