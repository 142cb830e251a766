/*-------------------------------------------------------------------------
 *
 * reason.h
 *	  Why a backup ended before it was complete.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_REASON_H
#define BBGW_REASON_H

#include "shmem.h"

extern void bbgw_reason_error(BbgwBackup *backup, const ErrorData *edata);
extern void bbgw_reason_terminated(BbgwBackup *backup);

#endif							/* BBGW_REASON_H */
