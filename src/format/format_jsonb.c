/*-------------------------------------------------------------------------
 *
 * format_jsonb.c
 *	  jsonb.
 *
 * The tree is walked as it lies there (utils/jsonb.h): a container is a header,
 * an entry for each child, and their data one after another.  An entry has the
 * length of its data, or the offset of their end.  Objects have all keys, then
 * all values.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "format/format.h"
#include "format/simd.h"

/* what is deeper is left to the server's function, which needs no stack */
#define MAX_DEPTH 500

/* strings are taken in pieces of this size */
#define PIECE_SIZE BLCKSZ

/* What follows the backslash in JSON; 1: \u00xx; 0: not escaped */
static const char escapes[256] = {
	[0] = 1,[1] = 1,[2] = 1,[3] = 1,[4] = 1,[5] = 1,[6] = 1,[7] = 1,
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	['\v'] = 1,
	['\f'] = 'f',
	['\r'] = 'r',
	[14] = 1,[15] = 1,[16] = 1,[17] = 1,[18] = 1,[19] = 1,[20] = 1,[21] = 1,
	[22] = 1,[23] = 1,[24] = 1,[25] = 1,[26] = 1,[27] = 1,[28] = 1,[29] = 1,
	[30] = 1,[31] = 1,
	['"'] = '"',
	['\\'] = '\\',
};

/* Where in a container the next child is */
typedef struct Cursor
{
	const JsonbContainer *container;
	const char *data;			/* of the first child */
	uint32		offset;			/* in the data */
	uint32		entry;
} Cursor;

static void write_container(BbgwText *text, const JsonbContainer *container,
							int depth);

static void
open_cursor(Cursor *cursor, const JsonbContainer *container, uint32 nentries)
{
	cursor->container = container;
	cursor->data = (const char *) &container->children[nentries];
	cursor->offset = 0;
	cursor->entry = 0;
}

/*
 * The next child: its entry, and its data.
 */
static JEntry
next_child(Cursor *cursor, const char **data, uint32 *len)
{
	JEntry		entry = cursor->container->children[cursor->entry++];

	*data = cursor->data + cursor->offset;
	*len = JBE_OFFLENFLD(entry);
	if (JBE_HAS_OFF(entry))
		*len -= cursor->offset;
	cursor->offset += *len;
	return entry;
}

/*
 * Copies what needs no backslash, neither here nor in COPY, to where there is
 * room for "len" and 16 bytes more.  Returns how many bytes that were.
 */
static inline Size
copy_plain(char *out, const char *in, Size len, bool *non_ascii)
{
	BbgwBytes	seen = bbgw_bytes_zero();
	Size		n = 0;

	while (len - n >= sizeof(BbgwBytes))
	{
		BbgwBytes	bytes = bbgw_bytes_load(in + n);
		int			plain = bbgw_bytes_plain_json(bytes);

		bbgw_bytes_store(out + n, bytes);
		seen = bbgw_bytes_or(seen, bytes);
		n += plain;
		if (plain < (int) sizeof(BbgwBytes))
			break;
	}
	*non_ascii |= bbgw_bytes_non_ascii(seen);
	for (; n < len && escapes[(unsigned char) in[n]] == 0; n++)
	{
		*non_ascii |= IS_HIGHBIT_SET(in[n]);
		out[n] = in[n];
	}
	return n;
}

static void
write_escape(BbgwText *text, unsigned char c)
{
	char		escape[8];

	if (escapes[c] == 1)
	{
		snprintf(escape, sizeof(escape), "\\u%04x", c);
		bbgw_text_append(text, escape, 6);
	}
	else
	{
		escape[0] = '\\';
		escape[1] = escapes[c];
		bbgw_text_append(text, escape, 2);
	}
}

static void
write_string(BbgwText *text, const char *string, Size len)
{
	const char *in = string;
	const char *end = string + len;
	bool		non_ascii = false;

	bbgw_text_char(text, '"');
	while (in < end)
	{
		Size		piece = Min((Size) (end - in), PIECE_SIZE);
		char	   *out = bbgw_text_room(text, piece + sizeof(BbgwBytes));
		Size		plain = copy_plain(out, in, piece, &non_ascii);

		text->pos += plain;
		in += plain;
		if (plain < piece)
			write_escape(text, (unsigned char) *in++);
	}
	bbgw_text_char(text, '"');
	if (non_ascii)
		bbgw_text_verify(text, string, len);
}

static inline void
write_child(BbgwText *text, Cursor *cursor, int depth)
{
	const char *data;
	uint32		len;
	uint32		start = cursor->offset;
	JEntry		entry = next_child(cursor, &data, &len);

	/* these two are aligned, and the length has what that takes */
	if (JBE_ISCONTAINER(entry))
		write_container(text, (const JsonbContainer *)
						(cursor->data + INTALIGN(start)), depth + 1);
	else if (JBE_ISNUMERIC(entry))
		bbgw_format_numeric(NULL, text, cursor->data + INTALIGN(start));
	else if (JBE_ISSTRING(entry))
		write_string(text, data, len);
	else if (JBE_ISBOOL_TRUE(entry))
		bbgw_text_plain(text, "true", 4);
	else if (JBE_ISBOOL_FALSE(entry))
		bbgw_text_plain(text, "false", 5);
	else if (JBE_ISNULL(entry))
		bbgw_text_plain(text, "null", 4);
	else
		elog(ERROR, "unknown kind of jsonb entry: %x", entry);
}

static void
write_object(BbgwText *text, const JsonbContainer *container, int depth)
{
	uint32		npairs = JsonContainerSize(container);
	Cursor		keys;
	Cursor		values;

	open_cursor(&keys, container, 2 * npairs);
	open_cursor(&values, container, 2 * npairs);
	for (uint32 i = 0; i < npairs; i++)
	{
		const char *data;
		uint32		len;

		(void) next_child(&values, &data, &len);
	}

	bbgw_text_char(text, '{');
	for (uint32 i = 0; i < npairs; i++)
	{
		if (i > 0)
			bbgw_text_plain(text, ", ", 2);
		write_child(text, &keys, depth);
		bbgw_text_plain(text, ": ", 2);
		write_child(text, &values, depth);
	}
	bbgw_text_char(text, '}');
}

static void
write_container(BbgwText *text, const JsonbContainer *container, int depth)
{
	uint32		nelements = JsonContainerSize(container);
	Cursor		elements;

	if (unlikely(depth > MAX_DEPTH))
	{
		char	   *rest = JsonbToCString(NULL,
										  unconstify(JsonbContainer *, container),
										  BLCKSZ);

		bbgw_text_append(text, rest, strlen(rest));
		pfree(rest);
		return;
	}
	if (JsonContainerIsObject(container))
	{
		write_object(text, container, depth);
		return;
	}

	open_cursor(&elements, container, nelements);
	/* a scalar is in an array that does not show */
	if (!JsonContainerIsScalar(container))
		bbgw_text_char(text, '[');
	for (uint32 i = 0; i < nelements; i++)
	{
		if (i > 0)
			bbgw_text_plain(text, ", ", 2);
		write_child(text, &elements, depth);
	}
	if (!JsonContainerIsScalar(container))
		bbgw_text_char(text, ']');
}

static void
write_jsonb(BbgwFormat *format, BbgwText *text, const char *value)
{
	write_container(text, &((const Jsonb *) value)->root, 0);
}

const BbgwFormatKind bbgw_format_jsonbs[] = {
	BBGW_FORMAT_WRITE(jsonb_out, -1, write_jsonb, false, true, NULL),
	{0}
};
