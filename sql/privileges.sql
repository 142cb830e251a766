-- Who may make, see and cancel backups.
CREATE EXTENSION backup_bgw;
CREATE ROLE bbgw_nobody;
CREATE ROLE bbgw_reader;
CREATE ROLE bbgw_writer;
CREATE ROLE bbgw_both;
GRANT pg_read_all_data TO bbgw_reader, bbgw_both;
GRANT pg_write_server_files TO bbgw_writer, bbgw_both;
SET backup_bgw.directory = '';

SET ROLE bbgw_nobody;
SELECT start_backup('/tmp/x');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET TRANSACTION SNAPSHOT 'backup_bgw:1';
ROLLBACK;
SELECT count(*) FROM backup_progress;
SELECT count(*) FROM backup_workers;
SELECT count(*) FROM backup_history;
SELECT count(*) FROM backup_preserved_files;
SELECT wait_backup(1);
SELECT cancel_backup(1);
SET backup_bgw.conninfo = 'port=1';
SET backup_bgw.directory = '/tmp';
SET backup_bgw.pg_dump_path = '/bin/true';
SET backup_bgw.jobs = 3;
SET backup_bgw.max_preserved_size = '1MB';
SET backup_bgw.prepared_transactions = 'wait';
SET backup_bgw.commit_timeout = '1s';
RESET ROLE;

-- one of the two is not enough
SET ROLE bbgw_reader;
SELECT start_backup('/tmp/x');
SET ROLE bbgw_writer;
SELECT start_backup('/tmp/x');

-- both are: the next check complains
SET ROLE bbgw_both;
SELECT start_backup('relative');
RESET ROLE;

DROP EXTENSION backup_bgw;
DROP ROLE bbgw_nobody, bbgw_reader, bbgw_writer, bbgw_both;
