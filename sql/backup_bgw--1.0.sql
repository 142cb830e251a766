/* sql/backup_bgw--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION backup_bgw" to load this file. \quit

CREATE FUNCTION start_backup(
    destination text DEFAULT NULL,
    jobs integer DEFAULT NULL,
    compression text DEFAULT 'lz4',
    include text[] DEFAULT NULL,
    exclude text[] DEFAULT NULL,
    max_rate text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'start_backup'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION start_backup(text, integer, text, text[], text[], text) IS
'starts a backup of the current database in the background and returns its id';

CREATE FUNCTION wait_backup(
    id bigint,
    timeout interval DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'wait_backup'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION wait_backup(bigint, interval) IS
'waits until a backup has ended, and returns completed, failed or cancelled; or running, after the timeout';

CREATE FUNCTION cancel_backup(id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'cancel_backup'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION cancel_backup(bigint) IS
'cancels a backup; returns false if it had ended already';

CREATE FUNCTION backup_bgw_progress(
    OUT backup_id bigint,
    OUT datid oid,
    OUT datname name,
    OUT usename name,
    OUT pid integer,
    OUT phase text,
    OUT destination text,
    OUT started_at timestamptz,
    OUT jobs integer,
    OUT max_rate bigint,
    OUT tables_total bigint,
    OUT tables_done bigint,
    OUT bytes_total bigint,
    OUT bytes_done bigint,
    OUT bytes_written bigint,
    OUT percent double precision,
    OUT rate bigint,
    OUT eta interval,
    OUT files_preserved bigint,
    OUT preserved_bytes bigint,
    OUT lock_yields bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'backup_bgw_progress'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION backup_bgw_progress() IS
'what the view backup_progress shows';

CREATE VIEW backup_progress AS SELECT * FROM backup_bgw_progress();

COMMENT ON VIEW backup_progress IS 'running backups, one row each';

CREATE FUNCTION backup_bgw_workers(
    OUT backup_id bigint,
    OUT pid integer,
    OUT role text,
    OUT relation text,
    OUT bytes_done bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'backup_bgw_workers'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION backup_bgw_workers() IS
'what the view backup_workers shows';

CREATE VIEW backup_workers AS SELECT * FROM backup_bgw_workers();

COMMENT ON VIEW backup_workers IS
'server processes of running backups, one row each';

CREATE FUNCTION backup_bgw_history()
RETURNS SETOF jsonb
AS 'MODULE_PATHNAME', 'backup_bgw_history'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION backup_bgw_history() IS
'what the view backup_history shows, as JSON';

CREATE VIEW backup_history AS
SELECT (r ->> 'backup_id')::bigint AS backup_id,
       (r ->> 'datid')::oid AS datid,
       (r ->> 'datname')::name AS datname,
       (r ->> 'usename')::name AS usename,
       r ->> 'destination' AS destination,
       r ->> 'status' AS status,
       (r ->> 'started_at')::timestamptz AS started_at,
       (r ->> 'finished_at')::timestamptz AS finished_at,
       (r ->> 'jobs')::integer AS jobs,
       (r ->> 'tables')::bigint AS tables,
       (r ->> 'bytes_read')::bigint AS bytes_read,
       (r ->> 'bytes_written')::bigint AS bytes_written,
       (r ->> 'files_preserved')::bigint AS files_preserved,
       (r ->> 'lock_yields')::bigint AS lock_yields,
       r ->> 'error' AS error
FROM backup_bgw_history() AS r;

COMMENT ON VIEW backup_history IS 'ended backups, one row each';

CREATE FUNCTION backup_bgw_preserved_files(
    OUT backup_id bigint,
    OUT relation text,
    OUT kind text,
    OUT tablespace text,
    OUT filenode oid,
    OUT path text,
    OUT bytes bigint,
    OUT preserved_at timestamptz,
    OUT xid xid8,
    OUT outcome text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'backup_bgw_preserved_files'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION backup_bgw_preserved_files() IS
'what the view backup_preserved_files shows';

CREATE VIEW backup_preserved_files AS SELECT * FROM backup_bgw_preserved_files();

COMMENT ON VIEW backup_preserved_files IS
'files of this database that are kept on disk for backups, one row each';

GRANT SELECT ON backup_progress, backup_workers, backup_history,
    backup_preserved_files TO PUBLIC;
