-- What a nightly ETL job does, run by dev/demo in the middle of the backup. Any
-- of this would wait for the end of a pg_dump.

SET search_path = public, shop;
SET client_min_messages = error;
\timing on
TRUNCATE pgbench_accounts; -- the biggest table, being read at this moment
INSERT INTO pgbench_accounts SELECT i, 1, 0, '' FROM generate_series(1, 1000) i;
DROP TABLE order_item CASCADE;
ALTER TABLE pgbench_tellers ALTER COLUMN filler TYPE text, ADD COLUMN loaded_at timestamptz DEFAULT clock_timestamp();
DROP TYPE order_status CASCADE;
ALTER TABLE picture RENAME TO image;
ALTER SEQUENCE product_id_seq RESTART WITH 1000000;
DROP SCHEMA shop CASCADE;
VACUUM FULL pg_proc;
