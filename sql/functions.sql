-- The SQL surface: signatures, views, comments, argument checks.
CREATE EXTENSION backup_bgw;
\pset null '(null)'

SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result,
       p.proisstrict AS strict, obj_description(p.oid) IS NOT NULL AS described
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
  AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'backup_bgw')
  AND d.classid = 'pg_proc'::regclass
ORDER BY p.proname COLLATE "C";

SELECT c.relname, a.attname, a.atttypid::regtype
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relname IN ('backup_progress', 'backup_workers', 'backup_history', 'backup_preserved_files')
ORDER BY c.relname COLLATE "C", a.attnum;

SELECT c.relname, obj_description(c.oid)
FROM pg_class c
WHERE c.relname IN ('backup_progress', 'backup_workers', 'backup_history', 'backup_preserved_files')
ORDER BY c.relname COLLATE "C";

-- settings and their defaults
SELECT name, setting, unit, context FROM pg_settings
WHERE name LIKE 'backup\_bgw.%' AND name <> 'backup_bgw.directory'
ORDER BY name COLLATE "C";
SET backup_bgw.directory = 'relative';
SET backup_bgw.pg_dump_path = 'pg_dump';
SET backup_bgw.jobs = 65;
SET backup_bgw.max_backups = 5;
SET backup_bgw.prepared_transactions = 'ignore';
SET backup_bgw.max_preserved_size = 'much';
SET backup_bgw.commit_timeout = 'long';
SET backup_bgw.no_such_setting = 1;

-- nothing runs, nothing is in the history
SELECT count(*) FROM backup_progress;
SELECT count(*) FROM backup_workers;
SELECT count(*) FROM backup_history;
SELECT count(*) FROM backup_preserved_files;

-- ids that nobody has
SELECT wait_backup(42);
SELECT wait_backup(-1, '1 second');
SELECT wait_backup(NULL);
SELECT wait_backup(42, '-1 second');
SELECT cancel_backup(42);
SELECT cancel_backup(NULL);

-- arguments
SET backup_bgw.directory = '';
SELECT start_backup();
SELECT start_backup('relative');
SELECT start_backup('');
SELECT start_backup('/');
SELECT start_backup('/no/such/parent/x');
SELECT start_backup(repeat('/x', 600));
SELECT start_backup('/tmp', jobs => 0);
SELECT start_backup('/tmp', jobs => -3);
SELECT start_backup('/tmp', jobs => 65);
SELECT start_backup('/tmp', jobs => 64);
SELECT start_backup('/tmp', compression => 'zip');
SELECT start_backup('/tmp', compression => '');
SELECT start_backup('/tmp', compression => 'lz');
SELECT start_backup('/tmp', compression => 'none:1');
SELECT start_backup('/tmp', compression => 'lz4:');
SELECT start_backup('/tmp', compression => 'lz4:0');
SELECT start_backup('/tmp', compression => 'lz4:13');
SELECT start_backup('/tmp', compression => 'lz4:fast');
SELECT start_backup('/tmp', max_rate => '');
SELECT start_backup('/tmp', max_rate => 'fast');
SELECT start_backup('/tmp', max_rate => '-1MB');
SELECT start_backup('/tmp', max_rate => '0');
SELECT start_backup('/tmp', max_rate => '10 parsecs');
SELECT start_backup('/tmp', max_rate => 'NaN');
SELECT start_backup('/tmp', include => ARRAY[NULL]);
SELECT start_backup('/tmp', include => ARRAY['']);
SELECT start_backup('/tmp', exclude => ARRAY['t', '']);
SET backup_bgw.pg_dump_path = '/no/such/pg_dump';
SELECT start_backup('/tmp/backup_bgw_regress_nothing');
RESET backup_bgw.pg_dump_path;

-- the snapshot of a backup
BEGIN;
SET TRANSACTION SNAPSHOT 'backup_bgw:42';
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION SNAPSHOT 'backup_bgw:42';
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION SNAPSHOT 'backup_bgw:x';
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1 AS query;
SET TRANSACTION SNAPSHOT 'backup_bgw:42';
ROLLBACK;
SET TRANSACTION SNAPSHOT 'backup_bgw:42';
-- other snapshots are the server's business
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION SNAPSHOT 'no snapshot';
ROLLBACK;

-- still nothing
SELECT count(*) FROM backup_progress;
SELECT count(*) FROM backup_history;
DROP EXTENSION backup_bgw;
