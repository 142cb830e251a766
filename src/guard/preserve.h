/*-------------------------------------------------------------------------
 *
 * preserve.h
 *	  Preserves what a transaction would unlink, for the backups that need it.
 *
 * Copyright (c) 2026, the backup_bgw authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BBGW_PRESERVE_H
#define BBGW_PRESERVE_H

#include "backup_bgw.h"

extern int	bbgw_preserve_files(const RelFileLocator *files, int nfiles,
								bool late);

#endif							/* BBGW_PRESERVE_H */
