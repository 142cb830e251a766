/*-------------------------------------------------------------------------
 *
 * rowtext.c
 *	  Rows to COPY text, byte for byte what pg_dump gets from COPY table TO.
 *
 * Columns are separated by tabs, rows end with newlines, null is \N.  Dropped
 * and generated columns are left out, as in the column list of pg_dump's COPY.
 * After the last row comes what pg_dump adds: "\." and three newlines.
 *
 * A row is taken apart and written in one go, column by column, from where it
 * lies to where the sink wants the text.  Unlike COPY's, that place need not hold
 * a whole row: whenever it is full, also between two columns or in a long value,
 * the sink gets it and gives another.  Meanwhile the page may be let go of,
 * after the row has been copied (bbgw_rowtext_detach()).  So nothing points
 * into the row when room is made: positions in it are offsets, and what is
 * written from there has the room that it needs before.
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
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "copy/rowtext.h"
#include "format/format.h"

/* longest line, newline included, that enlargeStringInfo() makes room for */
#define MAX_LINE (MaxAllocSize - 1)

/* An attribute of the table, and what becomes of it */
typedef struct Column
{
	BbgwFormat *format;			/* NULL: left out */
	int16		len;
	uint8		align;			/* its address is a multiple of this */
	Datum		missing;		/* value in rows that are older than the
								 * column, unless it is null there */
	bool		missing_null;
	bool		missing_known;
} Column;

struct BbgwRowText
{
	BbgwText	text;			/* must be first */
	Relation	rel;
	TupleDesc	desc;
	BbgwSink   *sink;
	const BbgwToast *toast;
	char	   *start;			/* of the text that the sink has not got */
	char	   *row_start;		/* where the row at hand begins in it */
	Size		row_flushed;	/* how much of that row the sink has */
	HeapTuple	row;			/* the row at hand, or NULL */
	HeapTupleData header;		/* what "row" points to */
	char	   *copy;			/* the row, if it has been copied */
	ErrorContextCallback callback;
	MemoryContext row_context;
	char	   *whole;			/* room for a value of a page */
	int			ncolumns;
	Column		columns[FLEXIBLE_ARRAY_MEMBER];
};

static void
error_context(void *arg)
{
	const BbgwRowText *rowtext = arg;

	if (rowtext->row)
		errcontext("row with ctid (%u,%u)",
				   ItemPointerGetBlockNumberNoCheck(&rowtext->row->t_self),
				   ItemPointerGetOffsetNumberNoCheck(&rowtext->row->t_self));
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
					ItemPointerGetBlockNumberNoCheck(&rowtext->row->t_self),
					ItemPointerGetOffsetNumberNoCheck(&rowtext->row->t_self),
					RelationGetRelationName(rowtext->rel)),
			 errdetail_internal("%s", detail),
			 errhint("COPY FROM would refuse it, and with it the whole table. Change the row, or exclude the table.")));
}

static void
refuse_text(const BbgwRowText *rowtext, int column)
{
	const char *name = NameStr(TupleDescAttr(rowtext->desc, column)->attname);

	if (rowtext->text.fault == BBGW_TEXT_NULL_BYTE)
		refuse(rowtext, ERRCODE_DATA_CORRUPTED,
			   psprintf("Column \"%s\" has text with a null byte.", name));
	else
		refuse(rowtext, ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
			   psprintf("Column \"%s\" has text that is not valid in encoding %s.",
						name, GetDatabaseEncodingName()));
}

/*
 * Size of the present row so far, as text.
 */
static inline Size
line_length(const BbgwRowText *rowtext)
{
	return rowtext->row_flushed + (rowtext->text.pos - rowtext->row_start);
}

static void
check_line(const BbgwRowText *rowtext)
{
	if (unlikely(line_length(rowtext) > MAX_LINE))
		refuse(rowtext, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			   psprintf("Its text, with escapes, is longer than the %zu bytes that a line can have.",
						(Size) MAX_LINE));
}

static void
reserve(BbgwRowText *rowtext)
{
	rowtext->start = bbgw_sink_reserve(rowtext->sink, BBGW_SINK_CHUNK);
	rowtext->row_start = rowtext->start;
	rowtext->text.pos = rowtext->start;
	rowtext->text.end = rowtext->start + BBGW_SINK_CHUNK;
}

/*
 * Hands all text so far to the sink, and gets room for more.
 */
static void
make_room(BbgwText *text, Size room)
{
	BbgwRowText *rowtext = (BbgwRowText *) text;

	if (rowtext->row)
	{
		check_line(rowtext);
		rowtext->row_flushed = line_length(rowtext);
	}
	bbgw_sink_write(rowtext->sink, rowtext->start,
					text->pos - rowtext->start);
	reserve(rowtext);
	Assert(text->end - text->pos >= (ptrdiff_t) room);
	rowtext->toast->pause();
}

static uint8
alignment(char typalign)
{
	switch (typalign)
	{
		case TYPALIGN_CHAR:
			return sizeof(char);
		case TYPALIGN_SHORT:
			return ALIGNOF_SHORT;
		case TYPALIGN_INT:
			return ALIGNOF_INT;
		case TYPALIGN_DOUBLE:
			return ALIGNOF_DOUBLE;
	}
	elog(ERROR, "unknown alignment: %c", typalign);
	return 0;
}

/*
 * Begins rows of a relation, going to a sink whose file has been begun, and
 * which nobody else uses until bbgw_rowtext_end().  Memory is taken from the
 * current context, which must last as long; errors until then tell about the
 * row at hand.  Needs a transaction: it looks up types.
 */
BbgwRowText *
bbgw_rowtext_begin(Relation rel, const BbgwToast *toast, BbgwSink *sink)
{
	TupleDesc	desc = RelationGetDescr(rel);
	BbgwRowText *rowtext;

	rowtext = palloc0(offsetof(BbgwRowText, columns) +
					  desc->natts * sizeof(Column));
	rowtext->rel = rel;
	rowtext->desc = desc;
	rowtext->sink = sink;
	rowtext->toast = toast;
	rowtext->copy = palloc(BLCKSZ);
	rowtext->whole = palloc(BLCKSZ);
	rowtext->row_context = AllocSetContextCreate(CurrentMemoryContext,
												 "backup_bgw row",
												 ALLOCSET_DEFAULT_SIZES);
	rowtext->ncolumns = desc->natts;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Column	   *column = &rowtext->columns[i];

		column->len = att->attlen;
		column->align = alignment(att->attalign);
		if (!att->attisdropped && !att->attgenerated)
			column->format = bbgw_format_find(att->atttypid);
	}

	rowtext->text.more = make_room;
	rowtext->text.escaped = true;
	reserve(rowtext);

	rowtext->callback.callback = error_context;
	rowtext->callback.arg = rowtext;
	rowtext->callback.previous = error_context_stack;
	error_context_stack = &rowtext->callback;
	return rowtext;
}

/*
 * A varlena as its format wants it: not out of line, not compressed, and, if
 * it is to be whole, not in a page.
 */
static const char *
unpack(BbgwRowText *rowtext, const BbgwFormat *format, const char *value)
{
	struct varlena *stored = (struct varlena *) unconstify(char *, value);

	if (VARATT_IS_EXTERNAL_ONDISK(stored))
	{
		stored = bbgw_toast_fetch(rowtext->toast, stored);
		/* what was fetched is nobody else's, and long */
		bbgw_text_room(&rowtext->text, BBGW_TEXT_PAGE);
		if (!VARATT_IS_COMPRESSED(stored))
			return (const char *) stored;
	}
	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		return (const char *) PG_DETOAST_DATUM_PACKED(PointerGetDatum(stored));

	if (format->whole)
	{
		Size		len = VARSIZE_ANY_EXHDR(stored);
		char	   *whole = len + VARHDRSZ <= BLCKSZ ? rowtext->whole :
		palloc(len + VARHDRSZ);

		SET_VARSIZE(whole, len + VARHDRSZ);
		memcpy(VARDATA(whole), VARDATA_ANY(stored), len);
		return whole;
	}
	return (const char *) stored;
}

static inline void
write_by_format(BbgwRowText *rowtext, BbgwFormat *format, const char *value)
{
	if (format->typlen == -1 &&
		(format->whole || VARATT_IS_1B_E(value) || VARATT_IS_4B_C(value)))
		value = unpack(rowtext, format, value);
	format->write(format, &rowtext->text, value);
}

/*
 * Writes a value, which may be in the page of the row.
 */
static inline void
write_value(BbgwRowText *rowtext, int column, const char *value)
{
	BbgwFormat *format = rowtext->columns[column].format;
	BbgwText   *text = &rowtext->text;

	if (format->put)
	{
		char	   *end = format->put(format, text->pos, value);

		if (likely(end != NULL))
		{
			text->pos = end;
			return;
		}
		bbgw_format_by_function(format, text, value);
	}
	else
		write_by_format(rowtext, format, value);
	if (unlikely(text->fault != BBGW_TEXT_FINE))
		refuse_text(rowtext, column);
}

/*
 * Writes a value that is not in the row, as the row was there before the
 * column was.
 */
static void
write_missing(BbgwRowText *rowtext, int i)
{
	Column	   *column = &rowtext->columns[i];
	Form_pg_attribute att = TupleDescAttr(rowtext->desc, i);

	if (!column->missing_known)
	{
		column->missing = getmissingattr(rowtext->desc, i + 1,
										 &column->missing_null);
		column->missing_known = true;
	}
	if (column->missing_null)
		bbgw_text_plain(&rowtext->text, "\\N", 2);
	else if (att->attbyval)
	{
		Datum		datum;

		store_att_byval(&datum, column->missing, att->attlen);
		write_value(rowtext, i, (const char *) &datum);
	}
	else
		write_value(rowtext, i, DatumGetPointer(column->missing));
}

/*
 * Refuses a row that is too big for a tuple once no value is compressed or out
 * of line.  That can be so only if there are values that are out of line.
 */
static void
check_tuple(const BbgwRowText *rowtext)
{
	TupleDesc	desc = rowtext->desc;
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	Size		len;

	heap_deform_tuple(rowtext->row, desc, values, isnull);
	len = HEAPTUPLESIZE +
		MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(desc->natts));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || isnull[i])
			continue;
		if (att->attlen == -1)
			len = att_align_nominal(len, att->attalign) +
				toast_raw_datum_size(values[i]);
		else
			len = att_addlength_datum(att_align_nominal(len, att->attalign),
									  att->attlen, values[i]);
	}
	if (len > MaxAllocSize)
		refuse(rowtext, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
			   psprintf("Decompressed it has %zu bytes, more than the %zu that a row can have in memory.",
						len, (Size) MaxAllocSize));
	pfree(values);
	pfree(isnull);
}

/*
 * Writes the columns, with separators.
 */
static void
write_columns(BbgwRowText *rowtext)
{
	HeapTupleHeader tuple = rowtext->row->t_data;
	BbgwText   *text = &rowtext->text;
	bool		has_nulls = (tuple->t_infomask & HEAP_HASNULL) != 0;
	int			natts = HeapTupleHeaderGetNatts(tuple);
	uint32		hoff = tuple->t_hoff;
	uint32		offset = 0;
	bool		first = true;

	for (int i = 0; i < rowtext->ncolumns; i++)
	{
		const Column *column = &rowtext->columns[i];
		const char *value;

		/* for anything that is in a page, before looking into that */
		bbgw_text_room(text, BBGW_TEXT_PAGE);
		if (column->format)
		{
			if (!first)
				*text->pos++ = '\t';
			first = false;
		}
		if (unlikely(i >= natts))
		{
			if (column->format)
				write_missing(rowtext, i);
			continue;
		}

		tuple = rowtext->row->t_data;
		if (has_nulls && att_isnull(i, tuple->t_bits))
		{
			if (column->format)
			{
				memcpy(text->pos, "\\N", 2);
				text->pos += 2;
			}
			continue;
		}

		/* without padding, which is zeros, begins a short varlena */
		value = (const char *) tuple + hoff + offset;
		if (column->len != -1 || *value == 0)
		{
			offset = TYPEALIGN(column->align, offset);
			value = (const char *) tuple + hoff + offset;
		}
		if (column->len > 0)
			offset += column->len;
		else
			offset = att_addlength_pointer(offset, column->len, value);
		if (column->format)
			write_value(rowtext, i, value);
	}
}

/*
 * Appends a row, of the type of the relation given at the begin.  It may be in
 * a page that is pinned.  Formats are called in a context that is emptied
 * after the row; they may raise errors.
 *
 * Whenever text goes to the sink, and when the TOAST reader pauses, others may
 * call bbgw_rowtext_detach().
 */
void
bbgw_rowtext_row(BbgwRowText *rowtext, HeapTuple row)
{
	MemoryContext save = MemoryContextSwitchTo(rowtext->row_context);

	rowtext->header = *row;
	rowtext->row = &rowtext->header;
	rowtext->row_start = rowtext->text.pos;
	rowtext->row_flushed = 0;
	if (HeapTupleHasExternal(row))
		check_tuple(rowtext);
	write_columns(rowtext);
	bbgw_text_char(&rowtext->text, '\n');
	check_line(rowtext);

	rowtext->row = NULL;
	MemoryContextSwitchTo(save);
	MemoryContextReset(rowtext->row_context);
}

/*
 * The page of the row at hand, if there is one, will be gone.
 */
void
bbgw_rowtext_detach(BbgwRowText *rowtext)
{
	HeapTuple	row = rowtext->row;

	if (row == NULL || (char *) row->t_data == rowtext->copy)
		return;
	Assert(row->t_len <= BLCKSZ);
	memcpy(rowtext->copy, row->t_data, row->t_len);
	row->t_data = (HeapTupleHeader) rowtext->copy;
}

/*
 * Hands what is left to the sink and frees everything.
 */
void
bbgw_rowtext_end(BbgwRowText *rowtext)
{
	bbgw_sink_write(rowtext->sink, rowtext->start,
					rowtext->text.pos - rowtext->start);
	error_context_stack = rowtext->callback.previous;
	MemoryContextDelete(rowtext->row_context);
	pfree(rowtext->copy);
	pfree(rowtext->whole);
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
