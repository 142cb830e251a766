/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Where the text of values goes: memory, with somebody who makes room.
 *
 * Writers put text at "pos", never beyond "end", and move "pos" on.  What they
 * put there directly is never looked at again, so it must be free of
 * characters that COPY escapes; the rest goes through bbgw_text_append().
 *
 * Making room may take as long as it likes: the owner of the memory writes it
 * to a file, or waits.  A page of a table may be let go of meanwhile.  So
 * values that are in one must have been read before.  BBGW_TEXT_PAGE is for
 * that: with so much room, any text of the size of a page can be appended
 * without more being made.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TEXT_H
#define BBGW_TEXT_H

#include "postgres.h"

/* what a part of text takes at most, each byte escaped, and room to work in */
#define BBGW_TEXT_ESCAPED(len) (2 * (Size) (len) + 16)

/* most that may be asked for */
#define BBGW_TEXT_PAGE BBGW_TEXT_ESCAPED(BLCKSZ)

/* what COPY FROM would not read */
typedef enum BbgwTextFault
{
	BBGW_TEXT_FINE,
	BBGW_TEXT_NULL_BYTE,
	BBGW_TEXT_INVALID			/* in the encoding of the database */
} BbgwTextFault;

typedef struct BbgwText
{
	char	   *pos;
	char	   *end;
	void		(*more) (struct BbgwText *text, Size room);
	bool		escaped;		/* as COPY does; if not, nothing is verified */
	BbgwTextFault fault;		/* the last one found */
} BbgwText;

/* Text in memory of its own */
typedef struct BbgwMemoryText
{
	BbgwText	text;
	char	   *data;
} BbgwMemoryText;

/*
 * Makes room for so many bytes, at most BBGW_TEXT_PAGE, and returns where.
 */
static inline char *
bbgw_text_room(BbgwText *text, Size room)
{
	if (unlikely((Size) (text->end - text->pos) < room))
		text->more(text, room);
	return text->pos;
}

/*
 * Adds a character that is not escaped.
 */
static inline void
bbgw_text_char(BbgwText *text, char c)
{
	*bbgw_text_room(text, 1) = c;
	text->pos++;
}

/*
 * Adds text that has no character to be escaped.
 */
static inline void
bbgw_text_plain(BbgwText *text, const char *data, Size len)
{
	memcpy(bbgw_text_room(text, len), data, len);
	text->pos += len;
}

extern void bbgw_text_append(BbgwText *text, const char *data, Size len);
extern void bbgw_text_verify(BbgwText *text, const char *data, Size len);
extern BbgwMemoryText *bbgw_text_in_memory(void);

#endif							/* BBGW_TEXT_H */
