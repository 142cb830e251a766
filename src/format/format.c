/*-------------------------------------------------------------------------
 *
 * format.c
 *	  Which types have their text written directly, and all the others.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "format/format.h"

static const BbgwFormatKind *const families[] = {
	bbgw_format_ints,
	bbgw_format_floats,
	bbgw_format_numerics,
	bbgw_format_texts,
	bbgw_format_bytes,
	bbgw_format_datetimes,
	bbgw_format_intervals,
	bbgw_format_nets,
	bbgw_format_enums,
	bbgw_format_moneys,
	bbgw_format_jsonbs,
	bbgw_format_arrays,
};

/*
 * Writes any value, by its output function, which may raise an error.
 */
void
bbgw_format_by_function(BbgwFormat *format, BbgwText *text, const char *value)
{
	Datum		datum;
	char	   *result;

	if (format->typbyval)
		datum = fetch_att(value, true, format->typlen);
	else
		datum = PointerGetDatum(value);
	result = OutputFunctionCall(&format->output, datum);
	bbgw_text_append(text, result, strlen(result));
}

static const BbgwFormatKind by_function = {.write = bbgw_format_by_function};

static const BbgwFormatKind *
find_kind(const BbgwFormat *format)
{
	for (size_t i = 0; i < lengthof(families); i++)
		for (const BbgwFormatKind *kind = families[i]; kind->output; kind++)
			if (kind->output == format->output.fn_addr &&
				kind->typlen == format->typlen)
				return kind;
	return NULL;
}

static void
set_kind(BbgwFormat *format, const BbgwFormatKind *kind)
{
	format->kind = kind;
	format->put = kind->put;
	format->write = kind->write;
	format->room = kind->room;
	format->whole = kind->whole;
}

/*
 * Finds how values of a type become text.  The result is in the current memory
 * context, and good for the present transaction.  Raises an error if there is
 * no such type.
 *
 * Output functions, and formats that need memory for long values, allocate it
 * in the context that is current when they are called.
 */
BbgwFormat *
bbgw_format_find(Oid type)
{
	BbgwFormat *format = palloc0(sizeof(BbgwFormat));
	const BbgwFormatKind *kind;
	HeapTuple	tuple;
	Form_pg_type form;

	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	format->typlen = form->typlen;
	format->typbyval = form->typbyval;
	format->typalign = form->typalign;
	format->typdelim = form->typdelim;
	fmgr_info(form->typoutput, &format->output);
	ReleaseSysCache(tuple);

	set_kind(format, &by_function);
	kind = find_kind(format);
	if (kind && (kind->begin == NULL || kind->begin(format, type)))
		set_kind(format, kind);
	return format;
}
