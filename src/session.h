/*-------------------------------------------------------------------------
 *
 * session.h
 *	  Settings of our background workers.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_SESSION_H
#define BBGW_SESSION_H

#include "backup_bgw.h"

extern void bbgw_session_settings(void);
extern void bbgw_session_search_path(void);

#endif							/* BBGW_SESSION_H */
