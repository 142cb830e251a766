/*-------------------------------------------------------------------------
 *
 * toast.h
 *	  Values that are stored out of line, read without locks.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_TOAST_H
#define BBGW_TOAST_H

#include "backup_bgw.h"

/* A table's TOAST table and its index, open; NULL: the table has none */
typedef struct BbgwToast
{
	Relation	rel;
	Relation	index;
	bool		rewritten;		/* perhaps since S, as a catalog's */
	void		(*pause) (void);	/* called every now and then; may be long
									 * in return */
} BbgwToast;

extern struct varlena *bbgw_toast_fetch(const BbgwToast *toast,
										struct varlena *value);

#endif							/* BBGW_TOAST_H */
