/*-------------------------------------------------------------------------
 *
 * patterns.c
 *	  Checks include and exclude patterns before pg_dump gets them, and finds
 *	  the tables that match.
 *
 * pg_dump is content if one of several -t patterns matches something, and
 * needs no match for -T at all; a typo goes unnoticed until the restore, or
 * until the disk is full.  Here each pattern must match.
 *
 * The language of patterns is psql's: letters are folded to lower case, "*" is
 * any sequence and "?" any character, a dot separates schema and name, double
 * quotes make all that literal, and the rest is a regular expression.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "backup/request.h"
#include "snapshot/asof.h"

/* database, schema, name: as many dots as a pattern may have, plus one */
#define MAX_PARTS 3

static void
begin_part(StringInfo part)
{
	initStringInfo(part);
	appendStringInfoString(part, "^(");
}

/*
 * Translates a pattern into anchored regular expressions, one for each part
 * between dots.  Returns their number, and in *first the first part as plain
 * text, which is how the name of a database is meant.
 */
static int
pattern_to_regexes(const char *pattern, StringInfoData parts[MAX_PARTS],
				   StringInfo first)
{
	int			n = 0;
	bool		quoted = false;
	const char *p = pattern;

	initStringInfo(first);
	begin_part(&parts[0]);
	while (*p)
	{
		StringInfo	part = &parts[n];
		int			len = pg_mblen(p);

		if (n == 0 && (*p != '"' || (quoted && p[1] == '"')) && (quoted || *p != '.'))
		{
			if (!quoted && *p >= 'A' && *p <= 'Z')
				appendStringInfoChar(first, pg_tolower((unsigned char) *p));
			else
				appendBinaryStringInfo(first, p, len);
		}

		if (*p == '"')
		{
			if (quoted && p[1] == '"')
				appendStringInfoChar(part, *p++);
			else
				quoted = !quoted;
		}
		else if (!quoted && *p == '.')
		{
			if (++n == MAX_PARTS)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("improper relation name (too many dotted names): %s", pattern)));
			begin_part(&parts[n]);
		}
		else if (!quoted && *p == '*')
			appendStringInfoString(part, ".*");
		else if (!quoted && *p == '?')
			appendStringInfoChar(part, '.');
		else if (*p == '$' ||
				 (quoted && strchr("|*+?()[]{}.^\\", *p)) ||
				 (*p == '[' && p[1] == ']'))
			appendStringInfo(part, "\\%c", *p);
		else if (!quoted && *p >= 'A' && *p <= 'Z')
			appendStringInfoChar(part, pg_tolower((unsigned char) *p));
		else
			appendBinaryStringInfo(part, p, len);
		p += len;
	}
	for (int i = 0; i <= n; i++)
		appendStringInfoString(&parts[i], ")$");
	return n + 1;
}

/*
 * Returns the relations that match, as an array of OIDs in the SPI procedure's
 * memory.  NULL if there are none.
 */
static ArrayType *
matching_relations(const char *pattern)
{
	StringInfoData parts[MAX_PARTS];
	StringInfoData first;
	int			n = pattern_to_regexes(pattern, parts, &first);
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		values[2];
	int			ret;
	bool		isnull;
	Datum		found;

	if (n == MAX_PARTS &&
		strcmp(first.data, get_database_name(MyDatabaseId)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cross-database references are not implemented: %s", pattern)));

	/* search_path is the user's here, so every name must be qualified */
	values[0] = CStringGetTextDatum(parts[n - 1].data);
	values[1] = CStringGetTextDatum(n > 1 ? parts[n - 2].data : "");
	ret = SPI_execute_with_args("SELECT pg_catalog.array_agg(c.oid)"
								" FROM pg_catalog.pg_class c"
								" JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
								" WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'S', 'v', 'm', 'f', 'p']::pg_catalog.\"char\"[])"
								" AND c.relpersistence OPERATOR(pg_catalog.<>) 't'"
								" AND c.relname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default"
								" AND CASE WHEN $2 OPERATOR(pg_catalog.=) '' THEN pg_catalog.pg_table_is_visible(c.oid)"
								" ELSE n.nspname OPERATOR(pg_catalog.~) $2 COLLATE pg_catalog.default END",
								2, types, values, NULL, true, 1);
	if (ret != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not read pg_class: %s", SPI_result_code_string(ret));
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? NULL : DatumGetArrayTypeP(found);
}

/*
 * The OIDs of all relations that match one of the patterns, as an array in
 * "context"; NULL if there are no patterns.
 */
static ArrayType *
select_relations(List *patterns, const char *argname, const char *option,
				 MemoryContext context)
{
	ArrayBuildState *state = NULL;
	ListCell   *lc;

	if (patterns == NIL)
		return NULL;
	foreach(lc, patterns)
	{
		ArrayType  *relids = matching_relations(lfirst(lc));
		Datum	   *values;
		int			n;

		if (relids == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("no tables match %s pattern \"%s\"", argname, (char *) lfirst(lc)),
					 errhint("Patterns are those of pg_dump %s.", option)));
		deconstruct_array(relids, OIDOID, sizeof(Oid), true, TYPALIGN_INT,
						  &values, NULL, &n);
		for (int i = 0; i < n; i++)
			state = accumArrayResult(state, values[i], false, OIDOID,
									 CurrentMemoryContext);
		SPI_freetuptable(SPI_tuptable);
	}
	return DatumGetArrayTypeP(makeArrayResult(state, context));
}

/*
 * Finds what matches the patterns as of S, for *selection in the current memory
 * context.  Raises an error for a pattern that matches nothing, or only temporary
 * tables, which are in no backup.  The caller is as of S, has it as active
 * snapshot, is not connected to SPI and has the search_path that pg_dump's
 * session will begin with.
 */
void
bbgw_patterns_select(List *include, List *exclude, BbgwSelection *selection)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	selection->include = select_relations(include, "include", "-t", context);
	selection->exclude = select_relations(exclude, "exclude", "-T", context);
	bbgw_release_locks();
	SPI_finish();
	MemoryContextSwitchTo(context);
}
