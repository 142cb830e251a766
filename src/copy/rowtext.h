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

#include "access/htup.h"

#include "archive/sink.h"
#include "copy/toast.h"

typedef struct BbgwRowText BbgwRowText;

extern BbgwRowText *bbgw_rowtext_begin(Relation rel, const BbgwToast *toast,
									   BbgwSink *sink);
extern void bbgw_rowtext_row(BbgwRowText *rowtext, HeapTuple row);
extern void bbgw_rowtext_detach(BbgwRowText *rowtext);
extern void bbgw_rowtext_end(BbgwRowText *rowtext);
extern void bbgw_rowtext_end_mark(BbgwSink *sink);

#endif							/* BBGW_ROWTEXT_H */
