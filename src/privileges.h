/*-------------------------------------------------------------------------
 *
 * privileges.h
 *	  Who may use the extension.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PRIVILEGES_H
#define BBGW_PRIVILEGES_H

#include "backup_bgw.h"

extern void bbgw_require_preload(void);
extern bool bbgw_role_may_backup(Oid roleid);
extern bool bbgw_role_may_see(Oid roleid);
extern void bbgw_require_privilege(void);

#endif							/* BBGW_PRIVILEGES_H */
