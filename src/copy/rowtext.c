/*-------------------------------------------------------------------------
 *
 * rowtext.c
 *	  Rows to COPY text, byte for byte what pg_dump gets from COPY table TO.
 *
 * Columns are separated by tabs, rows end with newlines, null is \N; in values
 * the backslash and the control characters that have a name are escaped.
 * Dropped and generated columns are left out, as in the column list of
 * pg_dump's COPY.  After the last row comes what pg_dump adds: "\." and three
 * newlines.
 *
 * The text is in the encoding of the database.  In every encoding that a
 * server can have, all bytes of multibyte characters have their high bit set,
 * so that bytes can be looked at one by one.
 *
 * Unlike COPY's, the buffer need not hold a whole row: whenever it has a
 * reasonable size, also between two columns, it goes to the sink.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "copy/rowtext.h"

#define FLUSH_SIZE (64 * 1024)

typedef struct Column
{
	int			attoff;			/* offset in the slot's arrays */
	bool		is_varlena;
	FmgrInfo	output;
} Column;

struct BbgwRowText
{
	BbgwSink   *sink;
	const BbgwToast *toast;
	StringInfoData buf;
	MemoryContext row_context;
	int			ncolumns;
	Column		columns[FLEXIBLE_ARRAY_MEMBER];
};

/* What follows the backslash for a character that is escaped; 0: not escaped */
static const char escapes[256] = {
	['\b'] = 'b',
	['\f'] = 'f',
	['\n'] = 'n',
	['\r'] = 'r',
	['\t'] = 't',
	['\v'] = 'v',
	['\\'] = '\\',
};

/*
 * Begins rows of a relation, going to a sink whose file has been begun.
 * Memory is taken from the current context, which must last until
 * bbgw_rowtext_end().  Needs a transaction: it looks up output functions.
 */
BbgwRowText *
bbgw_rowtext_begin(TupleDesc tupdesc, const BbgwToast *toast, BbgwSink *sink)
{
	BbgwRowText *rowtext;

	rowtext = palloc0(offsetof(BbgwRowText, columns) +
					  tupdesc->natts * sizeof(Column));
	rowtext->sink = sink;
	rowtext->toast = toast;
	initStringInfo(&rowtext->buf);
	enlargeStringInfo(&rowtext->buf, FLUSH_SIZE + 1024);
	rowtext->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "backup_bgw row",
												 ALLOCSET_DEFAULT_SIZES);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Column	   *column = &rowtext->columns[rowtext->ncolumns];
		Oid			function;

		if (att->attisdropped || att->attgenerated)
			continue;
		getTypeOutputInfo(att->atttypid, &function, &column->is_varlena);
		fmgr_info(function, &column->output);
		column->attoff = i;
		rowtext->ncolumns++;
	}
	return rowtext;
}

/*
 * Hands all text so far to the sink.
 */
static void
flush(BbgwRowText *rowtext)
{
	if (rowtext->buf.len > 0)
		bbgw_sink_write(rowtext->sink, rowtext->buf.data, rowtext->buf.len);
	resetStringInfo(&rowtext->buf);
	rowtext->toast->pause();
}

static void
append_escaped(BbgwRowText *rowtext, const char *text)
{
	const char *start = text;
	const char *p;

	for (p = text; *p; p++)
	{
		char		escape = escapes[(unsigned char) *p];

		if (escape)
		{
			appendBinaryStringInfo(&rowtext->buf, start, p - start);
			appendStringInfoChar(&rowtext->buf, '\\');
			appendStringInfoChar(&rowtext->buf, escape);
			start = p + 1;
		}
		if (p - start >= FLUSH_SIZE || rowtext->buf.len >= FLUSH_SIZE)
		{
			/* no need to copy what is long and clean */
			flush(rowtext);
			if (p >= start)
			{
				bbgw_sink_write(rowtext->sink, start, p + 1 - start);
				start = p + 1;
			}
		}
	}
	appendBinaryStringInfo(&rowtext->buf, start, p - start);
}

static void
append_value(BbgwRowText *rowtext, Column *column, Datum value)
{
	/* a value within a value is never out of line */
	if (column->is_varlena &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
		value = PointerGetDatum(bbgw_toast_fetch(rowtext->toast,
												 (struct varlena *) DatumGetPointer(value)));
	append_escaped(rowtext, OutputFunctionCall(&column->output, value));
}

/*
 * Appends a row.  The slot's type is the one given at the begin.  Output
 * functions are called in a context that is emptied after each row; they may
 * raise errors.
 */
void
bbgw_rowtext_row(BbgwRowText *rowtext, TupleTableSlot *slot)
{
	MemoryContext save = MemoryContextSwitchTo(rowtext->row_context);

	slot_getallattrs(slot);
	for (int i = 0; i < rowtext->ncolumns; i++)
	{
		Column	   *column = &rowtext->columns[i];

		if (i > 0)
			appendStringInfoChar(&rowtext->buf, '\t');
		if (slot->tts_isnull[column->attoff])
			appendStringInfoString(&rowtext->buf, "\\N");
		else
			append_value(rowtext, column, slot->tts_values[column->attoff]);
	}
	appendStringInfoChar(&rowtext->buf, '\n');

	MemoryContextSwitchTo(save);
	MemoryContextReset(rowtext->row_context);

	if (rowtext->buf.len >= FLUSH_SIZE)
		flush(rowtext);
}

/*
 * Hands what is left to the sink and frees everything.
 */
void
bbgw_rowtext_end(BbgwRowText *rowtext)
{
	flush(rowtext);
	MemoryContextDelete(rowtext->row_context);
	pfree(rowtext->buf.data);
	pfree(rowtext);
}

/*
 * Writes what comes after the last row of a file.
 */
void
bbgw_rowtext_end_mark(BbgwSink *sink)
{
	static const char mark[] = "\\.\n\n\n";

	bbgw_sink_write(sink, mark, sizeof(mark) - 1);
}
