/*-------------------------------------------------------------------------
 *
 * views.c
 *	  What the views backup_progress, backup_workers, backup_history and
 *	  backup_preserved_files select from.
 *
 * As with pg_stat_activity, a role sees its own backups and those of roles
 * whose privileges it has; pg_read_all_stats sees all.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "commands/tablespace.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

#include "backup/history.h"
#include "guard/guard.h"
#include "guard/guard_parties.h"
#include "guard/registry.h"
#include "guard/verdict.h"
#include "privileges.h"

PG_FUNCTION_INFO_V1(backup_bgw_progress);
PG_FUNCTION_INFO_V1(backup_bgw_workers);
PG_FUNCTION_INFO_V1(backup_bgw_history);
PG_FUNCTION_INFO_V1(backup_bgw_preserved_files);

/*
 * Copies of all slots in use, so that no lock is held while rows are made.
 */
static BbgwBackup *
copy_backups(int *n)
{
	BbgwBackup *copies = palloc(bbgw_max_backups * sizeof(BbgwBackup));

	*n = 0;
	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	for (int i = 0; i < bbgw_max_backups; i++)
	{
		BbgwBackup *backup = &bbgw_shared->backups[i];

		if (backup->state == BBGW_STARTING || backup->state == BBGW_RUNNING)
			memcpy(&copies[(*n)++], backup, sizeof(BbgwBackup));
	}
	LWLockRelease(bbgw_shared->lock);
	return copies;
}

/*
 * One row per running backup.
 */
Datum
backup_bgw_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();
	BbgwBackup *backups;
	int			n;

	bbgw_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	backups = copy_backups(&n);

	for (int i = 0; i < n; i++)
	{
		BbgwBackup *backup = &backups[i];
		BbgwGuard  *guard = bbgw_guard_of(backup->number);
		Datum		values[21];
		bool		nulls[21] = {0};
		int			c = 0;
		uint64		bytes_done = pg_atomic_read_u64(&backup->bytes_done);
		bool		planned = backup->copying_at != 0;
		double		percent = 0;
		double		rate = 0;
		uint64		files_preserved;
		uint64		preserved_bytes;

		if (!bbgw_role_may_see(backup->order.roleid))
			continue;

		bbgw_guard_preserved(guard, &files_preserved, &preserved_bytes);
		if (planned)
		{
			double		seconds = (double) (now - backup->copying_at) / USECS_PER_SEC;

			bytes_done = Min(bytes_done, backup->bytes_total);
			percent = backup->bytes_total == 0 ? 100 :
				100.0 * bytes_done / backup->bytes_total;
			if (seconds > 0)
				rate = bytes_done / seconds;
		}

		values[c++] = Int64GetDatum(backup->id);
		values[c++] = ObjectIdGetDatum(backup->order.dboid);
		values[c++] = NameGetDatum(&backup->order.datname);
		values[c++] = NameGetDatum(&backup->order.rolname);
		nulls[c] = backup->leader_pid == 0;
		values[c++] = Int32GetDatum(backup->leader_pid);
		values[c++] = CStringGetTextDatum(bbgw_phase_name(backup->phase));
		values[c++] = CStringGetTextDatum(backup->order.destination);
		values[c++] = TimestampTzGetDatum(backup->order.started_at);
		values[c++] = Int32GetDatum(backup->order.jobs);
		nulls[c] = backup->order.max_rate == 0;
		values[c++] = Int64GetDatum((int64) backup->order.max_rate);
		nulls[c] = !planned;
		values[c++] = Int64GetDatum((int64) backup->tables_total);
		values[c++] =
			Int64GetDatum((int64) pg_atomic_read_u64(&backup->tables_done));
		nulls[c] = !planned;
		values[c++] = Int64GetDatum((int64) backup->bytes_total);
		values[c++] = Int64GetDatum((int64) bytes_done);
		values[c++] =
			Int64GetDatum((int64) pg_atomic_read_u64(&backup->bytes_written));
		values[c++] = Float8GetDatum(floor(percent * 100) / 100);
		nulls[c] = rate == 0;
		values[c++] = Int64GetDatum((int64) rate);
		nulls[c] = rate == 0;
		if (rate > 0)
		{
			Interval   *eta = palloc0(sizeof(Interval));

			eta->time =
				(TimeOffset) ((backup->bytes_total - bytes_done) / rate) * USECS_PER_SEC;
			values[c] = IntervalPGetDatum(eta);
		}
		c++;
		values[c++] =
			Int64GetDatum((int64) files_preserved);
		values[c++] =
			Int64GetDatum((int64) preserved_bytes);
		values[c++] =
			Int64GetDatum((int64) pg_atomic_read_u64(&backup->lock_yields));
		Assert(c == lengthof(values));

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

static void
put_worker(ReturnSetInfo *rsinfo, BbgwBackup *backup, int pid,
		   const char *role,
		   BbgwWorkerSlot *worker)
{
	Datum		values[5];
	bool		nulls[5] = {0};

	if (pid == 0)
		return;

	values[0] = Int64GetDatum(backup->id);
	values[1] = Int32GetDatum(pid);
	values[2] = CStringGetTextDatum(role);
	if (worker && OidIsValid(worker->relid))
		values[3] =
			CStringGetTextDatum(quote_qualified_identifier(NameStr(worker->nspname),
														   NameStr(worker->relname)));
	else
		nulls[3] = true;
	if (worker)
		values[4] =
			Int64GetDatum((int64) pg_atomic_read_u64(&worker->bytes_done));
	else
		nulls[4] = true;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * One row per server process of a running backup.
 */
Datum
backup_bgw_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	BbgwBackup *backups;
	int			n;

	bbgw_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	backups = copy_backups(&n);

	for (int i = 0; i < n; i++)
	{
		BbgwBackup *backup = &backups[i];

		if (!bbgw_role_may_see(backup->order.roleid))
			continue;
		put_worker(rsinfo, backup, backup->leader_pid, "leader", NULL);
		put_worker(rsinfo, backup, backup->dump_pid, "pg_dump", NULL);
		for (int w = 0; w < backup->order.jobs; w++)
			put_worker(rsinfo, backup, backup->workers[w].pid, "worker",
					   &backup->workers[w]);
	}
	return (Datum) 0;
}

/*
 * One row, a JSON object, per ended backup.
 */
Datum
backup_bgw_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	bbgw_require_preload();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);

	foreach(lc, bbgw_history_ids())
	{
		BbgwHistoryEntry *entry = bbgw_history_read(*(int64 *) lfirst(lc));
		Datum		value;
		bool		null = false;

		/* pruned just now, or not ended yet, or not for this user */
		if (entry == NULL || strcmp(entry->status, "running") == 0 ||
			!bbgw_role_may_see(entry->roleid))
			continue;
		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(entry->json));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &null);
	}
	return (Datum) 0;
}

static const char *
kind_name(char relkind)
{
	switch (relkind)
	{
		case RELKIND_TOASTVALUE:
			return "toast table";
		case RELKIND_INDEX:
			return "index";
		case RELKIND_SEQUENCE:
			return "sequence";
		default:
			return "table";
	}
}

/*
 * May the current user see files of a backup (0: of none that is running)?
 */
static bool
backup_visible(int64 id)
{
	BbgwBackup *backup;
	Oid			roleid = InvalidOid;

	LWLockAcquire(bbgw_shared->lock, LW_SHARED);
	backup = bbgw_backup_find(id);
	if (backup)
		roleid = backup->order.roleid;
	LWLockRelease(bbgw_shared->lock);

	return bbgw_role_may_see(roleid);
}

/*
 * One row per file of the current database that is preserved.
 */
Datum
backup_bgw_preserved_files(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	BbgwPreservedAt *records;
	BbgwParties *parties;
	int			n;

	bbgw_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	records = bbgw_registry_read_all(&n);
	parties = bbgw_parties_find();
	for (int i = 0; i < n; i++)
	{
		BbgwPreserved *record = &records[i].record;
		const char *name = NULL;
		char		kind = '\0';
		int64		id = bbgw_parties_need(parties, record->tablespace,
										   record->number,
										   &name, &kind);
		char	   *tablespace;
		Datum		values[10];
		bool		nulls[10] = {0};

		if (!backup_visible(id))
			continue;

		nulls[0] = id == 0;
		values[0] = Int64GetDatum(id);
		nulls[1] = nulls[2] = name == NULL;
		if (name)
		{
			values[1] = CStringGetTextDatum(name);
			values[2] = CStringGetTextDatum(kind_name(kind));
		}
		/* it may have been dropped after the file was unlinked */
		tablespace = get_tablespace_name(record->tablespace);
		nulls[3] = tablespace == NULL;
		if (tablespace)
			values[3] = CStringGetTextDatum(tablespace);
		values[4] = ObjectIdGetDatum(record->number);
		values[5] =
			CStringGetTextDatum(bbgw_relation_path(MyDatabaseId,
												   record->tablespace,
												   record->number,
												   MAIN_FORKNUM));
		values[6] = Int64GetDatum((int64) record->bytes);
		values[7] = TimestampTzGetDatum(record->since);
		values[8] = FullTransactionIdGetDatum(record->xid);
		values[9] = CStringGetTextDatum(bbgw_outcome_name(bbgw_outcome(record->xid)));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	bbgw_parties_free(parties);
	return (Datum) 0;
}
