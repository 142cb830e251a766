/*-------------------------------------------------------------------------
 *
 * session.c
 *	  Settings of our background workers.
 *
 * Output functions depend on settings.  For the rows to be those of pg_dump, the
 * settings must be those that pg_dump makes.  Others may have been made for the
 * database or for all sessions that would end a long transaction.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "asof.h"
#include "session.h"

static void
set(const char *name, const char *value)
{
	/* not every version has them all */
	if (GetConfigOption(name, true, false) != NULL)
		SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

/*
 * Makes all settings but search_path.  To be called outside a transaction.
 */
void
bbgw_session_settings(void)
{
	set("datestyle", "ISO");
	set("intervalstyle", "postgres");
	set("extra_float_digits", "3");
	set("synchronize_seqscans", "off");
	set("row_security", "off");
	set("statement_timeout", "0");
	set("lock_timeout", "0");
	set("transaction_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("default_transaction_isolation", "repeatable read");
	set("default_transaction_deferrable", "off");
	bbgw_asof_settings();
}

/*
 * Empties search_path, so that every name of an object comes out qualified.
 */
void
bbgw_session_search_path(void)
{
	set("search_path", "");
}
