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
 * reasonable size, also between two columns, it goes to the sink.  That may
 * move the row away from its page, so a value is fetched from the slot only
 * when its turn has come.
 *
 * What COPY FROM does not read must not be written, as it would then refuse
 * the whole table.  It wants a line to fit into a StringInfo, and the row that
 * it makes of that into a palloc'd chunk; text must be valid in its encoding.
 * A row can be beyond that: COPY TO, too, is limited to lines of that length,
 * but COPY FROM has all values of a row in memory at once, where UPDATE had one;
 * and text may come from a time, or a function, that did not care.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "copy/rowtext.h"

/* the sink gets so much at a time */
#define FLUSH_SIZE (64 * 1024)

/* values longer than this are never on a heap page, and are taken in pieces */
#define PIECE_SIZE (4 * BLCKSZ)

/* longest line, newline included, that enlargeStringInfo() makes room for */
#define MAX_LINE (MaxAllocSize - 1)

typedef struct Column
{
	int			attoff;			/* offset in the slot's arrays */
	bool		is_varlena;
	bool		is_text;		/* the value's bytes are its text */
	FmgrInfo	output;
} Column;

struct BbgwRowText
{
	Relation	rel;
	BbgwSink   *sink;
	const BbgwToast *toast;
	StringInfoData buf;
	TupleTableSlot *slot;		/* the row at hand, or NULL */
	int			row_start;		/* where it begins in buf */
	Size		row_flushed;	/* how much of it the sink has */
	bool		multibyte;
	ErrorContextCallback callback;
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

static void
error_context(void *arg)
{
	const BbgwRowText *rowtext = arg;

	if (rowtext->slot)
		errcontext("row with ctid (%u,%u)",
				   ItemPointerGetBlockNumberNoCheck(&rowtext->slot->tts_tid),
				   ItemPointerGetOffsetNumberNoCheck(&rowtext->slot->tts_tid));
}

/*
 * Raises the error of a row that COPY FROM would not read.
 */
static void
refuse(const BbgwRowText *rowtext, int sqlstate, char *detail)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("row with ctid (%u,%u) of table \"%s\" could not be restored",
					ItemPointerGetBlockNumberNoCheck(&rowtext->slot->tts_tid),
					ItemPointerGetOffsetNumberNoCheck(&rowtext->slot->tts_tid),
					RelationGetRelationName(rowtext->rel)),
			 errdetail_internal("%s", detail),
			 errhint("COPY FROM would refuse it, and with it the whole table. Change the row, or exclude the table.")));
}

static const char *
column_name(const BbgwRowText *rowtext, const Column *column)
{
	return NameStr(TupleDescAttr(RelationGetDescr(rowtext->rel),
								 column->attoff)->attname);
}

/*
 * Begins rows of a relation, going to a sink whose file has been begun.
 * Memory is taken from the current context, which must last until
 * bbgw_rowtext_end(); errors until then tell about the row at hand.  Needs a
 * transaction: it looks up output functions.
 */
BbgwRowText *
bbgw_rowtext_begin(Relation rel, const BbgwToast *toast, BbgwSink *sink)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	BbgwRowText *rowtext;

	rowtext = palloc0(offsetof(BbgwRowText, columns) +
					  tupdesc->natts * sizeof(Column));
	rowtext->rel = rel;
	rowtext->sink = sink;
	rowtext->toast = toast;
	rowtext->multibyte = pg_database_encoding_max_length() > 1;
	initStringInfo(&rowtext->buf);
	enlargeStringInfo(&rowtext->buf, FLUSH_SIZE + 2 * PIECE_SIZE + 1024);
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
		column->is_text = column->output.fn_addr == textout ||
			column->output.fn_addr == varcharout ||
			column->output.fn_addr == bpcharout ||
			column->output.fn_addr == json_out;
		column->attoff = i;
		rowtext->ncolumns++;
	}

	rowtext->callback.callback = error_context;
	rowtext->callback.arg = rowtext;
	rowtext->callback.previous = error_context_stack;
	error_context_stack = &rowtext->callback;
	return rowtext;
}

/*
 * Size of the present row so far, as text.
 */
static Size
line_length(const BbgwRowText *rowtext)
{
	return rowtext->row_flushed + rowtext->buf.len - rowtext->row_start;
}

/*
 * To be called when so much has been added, or before it is.
 */
static void
check_line(const BbgwRowText *rowtext, Size more)
{
	if (line_length(rowtext) + more > MAX_LINE)
		refuse(rowtext, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			   psprintf("Its text, with escapes, is longer than the %zu bytes that a line can have.",
						(Size) MAX_LINE));
}

/*
 * Hands all text so far to the sink.
 */
static void
flush(BbgwRowText *rowtext)
{
	rowtext->row_flushed = line_length(rowtext);
	rowtext->row_start = 0;
	if (rowtext->buf.len > 0)
		bbgw_sink_write(rowtext->sink, rowtext->buf.data, rowtext->buf.len);
	resetStringInfo(&rowtext->buf);
	rowtext->toast->pause();
}

/*
 * Has any of eight bytes to be looked at: is it a backslash, or below 14?
 * Those are the bytes that are escaped, and some that hardly occur.
 */
static inline bool
wants_look(uint64 bytes)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	const uint64 highs = ones * 0x80;
	uint64		backslash = bytes ^ (ones * '\\');

	return (((bytes - ones * 14) & ~bytes) |
			((backslash - ones) & ~backslash)) & highs;
}

/*
 * Appends text, escaped, to a buffer that has room for twice its length.  Tells
 * whether there are bytes that are not ASCII, and whether there are null bytes.
 */
static void
append_escaped(StringInfo buf, const char *text, Size len, bool *non_ascii,
			   bool *null_byte)
{
	char	   *out = buf->data + buf->len;
	const char *end = text + len;
	uint64		seen = 0;

	while (text < end)
	{
		const char *stop = end;

		while (end - text >= (ptrdiff_t) sizeof(uint64))
		{
			uint64		bytes;

			memcpy(&bytes, text, sizeof(bytes));
			if (wants_look(bytes))
			{
				stop = text + sizeof(bytes);
				break;
			}
			memcpy(out, &bytes, sizeof(bytes));
			seen |= bytes;
			text += sizeof(bytes);
			out += sizeof(bytes);
		}
		for (; text < stop; text++)
		{
			unsigned char c = (unsigned char) *text;

			seen |= c;
			*null_byte |= c == '\0';
			if (escapes[c])
			{
				*out++ = '\\';
				*out++ = escapes[c];
			}
			else
				*out++ = c;
		}
	}
	*non_ascii |= (seen & UINT64CONST(0x8080808080808080)) != 0;
	buf->len = (int) (out - buf->data);
}

static void
append_text(BbgwRowText *rowtext, const Column *column, const char *text,
			Size len)
{
	bool		non_ascii = false;
	bool		null_byte = false;
	Size		done = 0;

	while (len - done > PIECE_SIZE)
	{
		check_line(rowtext, len - done);
		append_escaped(&rowtext->buf, text + done, PIECE_SIZE, &non_ascii,
					   &null_byte);
		done += PIECE_SIZE;
		if (rowtext->buf.len >= FLUSH_SIZE)
			flush(rowtext);
	}
	append_escaped(&rowtext->buf, text + done, len - done, &non_ascii,
				   &null_byte);

	if (null_byte)
		refuse(rowtext, ERRCODE_DATA_CORRUPTED,
			   psprintf("Column \"%s\" has text with a null byte.",
						column_name(rowtext, column)));
	if (non_ascii && rowtext->multibyte &&
		!pg_verifymbstr(text, (int) len, true))
		refuse(rowtext, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
			   psprintf("Column \"%s\" has text that is not valid in encoding %s.",
						column_name(rowtext, column),
						GetDatabaseEncodingName()));
}

static void
append_value(BbgwRowText *rowtext, Column *column, Datum value)
{
	/* a value within a value is never out of line */
	if (column->is_varlena &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
		value = PointerGetDatum(bbgw_toast_fetch(rowtext->toast,
												 (struct varlena *) DatumGetPointer(value)));
	if (column->is_text)
	{
		struct varlena *text = PG_DETOAST_DATUM_PACKED(value);

		append_text(rowtext, column, VARDATA_ANY(text),
					VARSIZE_ANY_EXHDR(text));
	}
	else
	{
		char	   *text = OutputFunctionCall(&column->output, value);

		append_text(rowtext, column, text, strlen(text));
	}
}

/*
 * Refuses a row that is too big for a tuple once no value is compressed or out
 * of line.  That can be so only if there are values that are.
 */
static void
check_tuple(const BbgwRowText *rowtext)
{
	TupleDesc	desc = RelationGetDescr(rowtext->rel);
	TupleTableSlot *slot = rowtext->slot;
	Size		expanded = 0;
	Size		len = 0;

	for (int i = 0; i < rowtext->ncolumns; i++)
	{
		const Column *column = &rowtext->columns[i];
		Datum		value = slot->tts_values[column->attoff];

		if (column->is_varlena && !slot->tts_isnull[column->attoff] &&
			(VARATT_IS_EXTERNAL(DatumGetPointer(value)) ||
			 VARATT_IS_COMPRESSED(DatumGetPointer(value))))
			expanded += toast_raw_datum_size(value);
	}
	if (expanded < MaxAllocSize / 2)
		return;

	len = HEAPTUPLESIZE +
		MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(desc->natts));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Datum		value = slot->tts_values[i];

		if (att->attisdropped || slot->tts_isnull[i])
			continue;
		if (att->attlen == -1)
			len = att_align_nominal(len, att->attalign) +
				toast_raw_datum_size(value);
		else
			len = att_addlength_datum(att_align_nominal(len, att->attalign),
									  att->attlen, value);
	}
	if (len > MaxAllocSize)
		refuse(rowtext, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			   psprintf("Decompressed it has %zu bytes, more than the %zu that a row can have in memory.",
						len, (Size) MaxAllocSize));
}

/*
 * Appends a row.  The slot's type is that of the relation given at the begin.
 * Output functions are called in a context that is emptied after each row;
 * they may raise errors.
 *
 * The sink, and the pause of the TOAST reader, may materialize the slot.
 */
void
bbgw_rowtext_row(BbgwRowText *rowtext, TupleTableSlot *slot)
{
	MemoryContext save = MemoryContextSwitchTo(rowtext->row_context);

	rowtext->slot = slot;
	rowtext->row_start = rowtext->buf.len;
	rowtext->row_flushed = 0;
	slot_getallattrs(slot);
	check_tuple(rowtext);
	for (int i = 0; i < rowtext->ncolumns; i++)
	{
		Column	   *column = &rowtext->columns[i];

		if (rowtext->buf.len >= FLUSH_SIZE)
			flush(rowtext);
		/* it may have been materialized */
		slot_getallattrs(slot);

		if (i > 0)
			appendStringInfoChar(&rowtext->buf, '\t');
		if (slot->tts_isnull[column->attoff])
			appendStringInfoString(&rowtext->buf, "\\N");
		else
			append_value(rowtext, column, slot->tts_values[column->attoff]);
	}
	appendStringInfoChar(&rowtext->buf, '\n');
	check_line(rowtext, 0);

	rowtext->slot = NULL;
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
	error_context_stack = rowtext->callback.previous;
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
