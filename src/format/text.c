/*-------------------------------------------------------------------------
 *
 * text.c
 *	  Where the text of values goes, and COPY's escapes.
 *
 * In values the backslash and the control characters that have a name are
 * escaped.  The text is in the encoding of the database.  In every encoding
 * that a server can have, all bytes of multibyte characters have their high
 * bit set, so that bytes can be looked at without regard to characters.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "format/simd.h"
#include "format/text.h"

/* longer text is taken in pieces of this size */
#define PIECE_SIZE BLCKSZ

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

static inline char *
escape_byte(char *out, unsigned char c, bool *null_byte)
{
	if (escapes[c])
	{
		*out++ = '\\';
		*out++ = escapes[c];
		return out;
	}
	if (unlikely(c == '\0'))
		*null_byte = true;
	*out++ = (char) c;
	return out;
}

/*
 * Copies less than 16 bytes.  Two words that overlap are all of them.
 */
static inline char *
escape_rest(char *out, const char *in, Size len, bool *non_ascii,
			bool *null_byte)
{
	if (len >= sizeof(uint64))
	{
		uint64		first;
		uint64		last;

		memcpy(&first, in, sizeof(first));
		memcpy(&last, in + len - sizeof(last), sizeof(last));
		if ((bbgw_special8(first) | bbgw_special8(last)) == 0)
		{
			memcpy(out, &first, sizeof(first));
			memcpy(out + len - sizeof(last), &last, sizeof(last));
			*non_ascii |= ((first | last) & BBGW_HIGHS) != 0;
			return out + len;
		}
	}
	else if (len >= sizeof(uint32))
	{
		uint32		first;
		uint32		last;
		uint64		both;

		memcpy(&first, in, sizeof(first));
		memcpy(&last, in + len - sizeof(last), sizeof(last));
		both = ((uint64) first << 32) | last;
		if (bbgw_special8(both) == 0)
		{
			memcpy(out, &first, sizeof(first));
			memcpy(out + len - sizeof(last), &last, sizeof(last));
			*non_ascii |= (both & BBGW_HIGHS) != 0;
			return out + len;
		}
	}
	for (; len > 0; len--, in++)
	{
		*non_ascii |= IS_HIGHBIT_SET(*in);
		out = escape_byte(out, (unsigned char) *in, null_byte);
	}
	return out;
}

/*
 * Copies and escapes text, to where there is room for
 * BBGW_TEXT_ESCAPED(len).  Returns the end of what it has written.
 */
static inline char *
escape(char *out, const char *in, Size len, bool *non_ascii, bool *null_byte)
{
	BbgwBytes	seen = bbgw_bytes_zero();

	while (len >= sizeof(BbgwBytes))
	{
		BbgwBytes	bytes = bbgw_bytes_load(in);
		int			plain = bbgw_bytes_plain(bytes);

		/* what is too much will be overwritten */
		bbgw_bytes_store(out, bytes);
		seen = bbgw_bytes_or(seen, bytes);
		in += plain;
		out += plain;
		len -= plain;
		if (plain < (int) sizeof(BbgwBytes))
		{
			out = escape_byte(out, (unsigned char) *in++, null_byte);
			len--;
		}
	}
	*non_ascii |= bbgw_bytes_non_ascii(seen);
	return escape_rest(out, in, len, non_ascii, null_byte);
}

/*
 * Adds any text, escaped if that is wanted.  What COPY FROM would refuse is
 * added all the same, and left in text->fault.  The data must stay where it is
 * while more room is made, unless there is enough for it.
 */
void
bbgw_text_append(BbgwText *text, const char *data, Size len)
{
	bool		non_ascii = false;
	bool		null_byte = false;
	Size		done = 0;

	do
	{
		Size		piece = Min(len - done, PIECE_SIZE);
		char	   *out = bbgw_text_room(text, BBGW_TEXT_ESCAPED(piece));

		if (text->escaped)
			text->pos = escape(out, data + done, piece, &non_ascii,
							   &null_byte);
		else
		{
			memcpy(out, data + done, piece);
			text->pos += piece;
		}
		done += piece;
	} while (done < len);

	if (non_ascii)
		bbgw_text_verify(text, data, len);
	if (unlikely(null_byte))
		text->fault = BBGW_TEXT_NULL_BYTE;
}

/*
 * To be called for text that was put to its place directly, if it has
 * characters that are not ASCII: leaves in text->fault what is wrong with it.
 */
void
bbgw_text_verify(BbgwText *text, const char *data, Size len)
{
	if (text->escaped && pg_database_encoding_max_length() > 1 &&
		!pg_verifymbstr(data, (int) len, true))
		text->fault = BBGW_TEXT_INVALID;
}

static void
more_memory(BbgwText *text, Size room)
{
	BbgwMemoryText *memory = (BbgwMemoryText *) text;
	Size		used = text->pos - memory->data;
	Size		size = text->end - memory->data;

	while (size - used < room)
		size *= 2;
	memory->data = repalloc_huge(memory->data, size);
	text->pos = memory->data + used;
	text->end = memory->data + size;
}

/*
 * Makes text that is kept in memory as it is, neither escaped nor checked, in
 * the current memory context.  To use it again, set "pos" to "data".
 */
BbgwMemoryText *
bbgw_text_in_memory(void)
{
	BbgwMemoryText *memory = palloc0(sizeof(BbgwMemoryText));
	Size		size = 1024;

	memory->data = palloc(size);
	memory->text.pos = memory->data;
	memory->text.end = memory->data + size;
	memory->text.more = more_memory;
	return memory;
}
