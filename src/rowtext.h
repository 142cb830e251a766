/*-------------------------------------------------------------------------
 *
 * rowtext.h
 *	  Rows to COPY text.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_ROWTEXT_H
#define BBGW_ROWTEXT_H

#include "executor/tuptable.h"

#include "sink.h"

typedef struct BbgwRowText BbgwRowText;

extern BbgwRowText *bbgw_rowtext_begin(TupleDesc tupdesc, BbgwSink *sink);
extern void bbgw_rowtext_row(BbgwRowText *rowtext, TupleTableSlot *slot);
extern void bbgw_rowtext_flush(BbgwRowText *rowtext);
extern void bbgw_rowtext_end(BbgwRowText *rowtext);

#endif							/* BBGW_ROWTEXT_H */
