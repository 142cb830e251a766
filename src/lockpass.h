/*-------------------------------------------------------------------------
 *
 * lockpass.h
 *	  Lets pg_dump's session pass locks that it need not wait for.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_LOCKPASS_H
#define BBGW_LOCKPASS_H

#include "backup_bgw.h"

extern bool bbgw_lockpass(int pid);

#endif							/* BBGW_LOCKPASS_H */
