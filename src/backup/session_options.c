/*-------------------------------------------------------------------------
 *
 * session_options.c
 *	  Settings that pg_dump's session begins with.
 *
 * Much may be set for the database, the role, or all sessions that would make
 * pg_dump's first statements fail, or wait for the caller of start_backup(), who
 * waits for them, or end its session in the middle.  pg_dump makes settings of
 * its own, but later, and not all of these.  Login triggers may do anything.
 * The name of the snapshot is not for the log.
 *
 * Libraries that sessions are to load are left alone: they may be there to
 * watch superusers.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/guc.h"

#include "backup/pgdump.h"

static const char *const harmless_settings[][2] = {
	{"role", "none"},
	{"exit_on_error", "off"},
	{"default_transaction_isolation", "repeatable read"},
	{"default_transaction_deferrable", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"temp_file_limit", "-1"},
	{"event_triggers", "off"},
	{"log_statement", "none"},
	{"log_duration", "off"},
	{"log_min_duration_statement", "-1"},
	{"log_min_duration_sample", "-1"},
	{"log_transaction_sample_rate", "0"},
	{"log_min_error_statement", "panic"},
	{"debug_print_parse", "off"},
	{"debug_print_rewritten", "off"},
	{"debug_print_plan", "off"},
};

static void
append_option(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, "%s-c %s=", buf->len > 0 ? " " : "", name);
	for (; *value; value++)
	{
		if (*value == ' ' || *value == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *value);
	}
}

/*
 * Options for the server, of those settings that this version has.  With our
 * own lc_messages, messages can be recognized.  Some are for superusers only.
 * The result is palloc'd.
 */
char *
bbgw_session_options(void)
{
	StringInfoData buf;
	const char *lc_messages = GetConfigOption("lc_messages", true, false);

	initStringInfo(&buf);
	for (size_t i = 0; i < lengthof(harmless_settings); i++)
		if (GetConfigOption(harmless_settings[i][0], true, false) != NULL)
			append_option(&buf, harmless_settings[i][0],
						  harmless_settings[i][1]);
	if (lc_messages && lc_messages[0] != '\0')
		append_option(&buf, "lc_messages", lc_messages);
	return buf.data;
}
