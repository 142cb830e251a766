/*-------------------------------------------------------------------------
 *
 * lockpass.h
 *	  Lets processes as of S pass locks that they need not wait for.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_LOCKPASS_H
#define BBGW_LOCKPASS_H

#include "backup_bgw.h"

extern bool bbgw_lockpass(int pid, bool own_files);

#endif							/* BBGW_LOCKPASS_H */
