-- What PostgreSQL 19 has brought that a database can contain.  Included by
-- kitchen_sink.sql.

--
-- Types
--
CREATE TABLE oids8 (id int, o oid8, os oid8[], d regdatabase);
INSERT INTO oids8 VALUES (1, '0', '{}', 'template1'), (2, '18446744073709551615', '{1,18446744073709551615,NULL}', '-'), (3, '4294967296', NULL, NULL);
CREATE UNIQUE INDEX oids8_o ON oids8 (o);
INSERT INTO documents (id, jp) VALUES (119, '$.a.btrim("x").upper()'), (120, '$.a.replace("a", "b").split_part(",", 2)');

-- LZ4 where nobody asked for it
CREATE TABLE toast_default (id int, t text, b bytea, j jsonb);
INSERT INTO toast_default SELECT i, repeat(md5(i::text), 200 * i), decode(repeat(md5(i::text), 200 * i), 'hex'), jsonb_build_object('k', repeat('\', 1000 * i)) FROM generate_series(1, 10) i;

--
-- Constraints, statistics, settings of tables
--
CREATE TABLE constraints_19 (a int CONSTRAINT a_check CHECK (a > 0), b int CONSTRAINT b_check CHECK (b > 0) NOT ENFORCED);
ALTER TABLE constraints_19 ALTER CONSTRAINT a_check NOT ENFORCED, ALTER CONSTRAINT b_check ENFORCED;
INSERT INTO constraints_19 VALUES (-1, 1);
CREATE STATISTICS stats_virtual ON v, s, n FROM virtual_and_stored;
CREATE STATISTICS stats_one_virtual ON v FROM generated_virtual;
CREATE TABLE settings_19 (a int) WITH (autovacuum_parallel_workers = 2, log_autoanalyze_min_duration = 1234);
INSERT INTO settings_19 VALUES (1);

--
-- Views and function bodies, aggregates, text search
--
CREATE VIEW v_nulls AS
	SELECT id, lag(i4) IGNORE NULLS OVER w AS l, first_value(i8) RESPECT NULLS OVER w AS f, nth_value(n, 2) IGNORE NULLS OVER w AS n
	  FROM numbers WINDOW w AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
CREATE FUNCTION get_or_make(i int) RETURNS SETOF ks.merged LANGUAGE sql BEGIN ATOMIC
	INSERT INTO ks.merged VALUES (i, 'made') ON CONFLICT (id) DO SELECT FOR UPDATE WHERE merged.t IS NOT NULL RETURNING *;
END;
CREATE VIEW v_functions_19 AS
	SELECT error_on_null(1) AS e, encode('\x00ff', 'base64url') AS b, ('\x019535d93df779fbb466fa907fa17f9e'::bytea)::uuid AS u, ARRAY(SELECT range_minus_multi('[1,9)'::int4range, '[3,5)')) AS r;
CREATE AGGREGATE with_support(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', SUPPORT = generate_series_int4_support);
CREATE TEXT SEARCH CONFIGURATION polski (COPY = pg_catalog.polish);
CREATE TEXT SEARCH DICTIONARY dutch_before (TEMPLATE = pg_catalog.snowball, LANGUAGE = dutch_porter);
ALTER TEXT SEARCH CONFIGURATION polski ALTER MAPPING FOR word WITH dutch_before, polish_stem;

--
-- Privileges, replication
--
GRANT DELETE ON merged TO ks_reader GRANTED BY CURRENT_USER;
CREATE PUBLICATION pub_sequences FOR ALL SEQUENCES;
CREATE PUBLICATION pub_all_but FOR ALL TABLES EXCEPT (TABLE numbers, ONLY inh_a, part), ALL SEQUENCES WITH (publish = 'insert');
\if :has_postgres_fdw
CREATE FOREIGN DATA WRAPPER ks_connecting CONNECTION public.postgres_fdw_connection;
CREATE SUBSCRIPTION ks_sub_server SERVER nobody_home PUBLICATION p WITH (connect = false, slot_name = NONE);
\endif
CREATE SUBSCRIPTION ks_sub_19 CONNECTION 'host=/nonexistent dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, retain_dead_tuples = true, max_retention_duration = 60000, wal_receiver_timeout = '7s');
