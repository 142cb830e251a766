-- What PostgreSQL 18 has brought that a database can contain.  Included by
-- kitchen_sink.sql.

--
-- Virtual generated columns: pg_dump writes no such values, and no row has any
--
CREATE TABLE generated_virtual (a int, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, b text);
INSERT INTO generated_virtual (a, b) VALUES (1, 'x'), (NULL, NULL);
CREATE TABLE only_virtual (v int GENERATED ALWAYS AS (7) VIRTUAL);
INSERT INTO only_virtual DEFAULT VALUES;
INSERT INTO only_virtual DEFAULT VALUES;
CREATE TABLE virtual_and_stored (v text GENERATED ALWAYS AS (upper(t) || '\') VIRTUAL, s int GENERATED ALWAYS AS (length(t)) STORED, gone text, t text,
	w int GENERATED ALWAYS AS (n * 2) VIRTUAL CONSTRAINT w_not_null NOT NULL CONSTRAINT w_check CHECK (w > 0), n int, z bool);
INSERT INTO virtual_and_stored (gone, t, n, z) SELECT repeat('gone', i), repeat(E'\t\\', i), i, i % 2 = 0 FROM generate_series(1, 50) i;
ALTER TABLE virtual_and_stored DROP gone;
ALTER TABLE virtual_and_stored ADD late int GENERATED ALWAYS AS (n + 1) VIRTUAL, ADD later text DEFAULT 'later';
INSERT INTO virtual_and_stored (t, n) VALUES (repeat('toasted', 20000), 51), (NULL, 52);
COMMENT ON COLUMN virtual_and_stored.late IS 'is computed when it is read';
CREATE TABLE virtual_parent (a int, v int GENERATED ALWAYS AS (a * 2));
CREATE TABLE virtual_child (v int GENERATED ALWAYS AS (a * 3), b text) INHERITS (virtual_parent);
INSERT INTO virtual_parent VALUES (1);
INSERT INTO virtual_child (a, b) VALUES (2, 'two');
CREATE TABLE part_virtual (k int, t text, v text GENERATED ALWAYS AS (t || k::text)) PARTITION BY RANGE (k);
CREATE TABLE part_virtual_1 PARTITION OF part_virtual FOR VALUES FROM (0) TO (10);
CREATE TABLE part_virtual_2 (v text GENERATED ALWAYS AS (t || 'else') VIRTUAL, t text, k int);
ALTER TABLE part_virtual ATTACH PARTITION part_virtual_2 FOR VALUES FROM (10) TO (20);
INSERT INTO part_virtual (k, t) SELECT i, 't' || i FROM generate_series(0, 19) i;
CREATE VIEW v_of_virtual AS SELECT a, v FROM generated_virtual WHERE v > 1;

--
-- Constraints
--
CREATE TABLE constraints_18 (a int CONSTRAINT a_not_null NOT NULL, b int, c int CONSTRAINT c_check CHECK (c > 0) NOT ENFORCED,
	CONSTRAINT fk_not_enforced FOREIGN KEY (b) REFERENCES child NOT ENFORCED);
INSERT INTO constraints_18 VALUES (1, -1, -1);
ALTER TABLE constraints_18 ADD d int;
ALTER TABLE constraints_18 ADD CONSTRAINT d_not_null NOT NULL d NOT VALID;
COMMENT ON CONSTRAINT a_not_null ON constraints_18 IS 'a not-null constraint';
COMMENT ON CONSTRAINT d_not_null ON constraints_18 IS 'one that is not valid';

-- Rows of children and partitions obey these constraints, though they are not
-- valid: a parallel pg_restore may add one to the parent before it loads a child.
CREATE TABLE not_null_parent (a int CONSTRAINT "a ""must""" NOT NULL, b int CONSTRAINT b_here_only NOT NULL NO INHERIT, c int);
CREATE TABLE not_null_child (c int CONSTRAINT c_in_child NOT NULL) INHERITS (not_null_parent);
CREATE TABLE not_null_own_name (a int CONSTRAINT own_name NOT NULL, b int, c int);
ALTER TABLE not_null_own_name INHERIT not_null_parent;
INSERT INTO not_null_parent VALUES (1, 1, NULL);
INSERT INTO not_null_child VALUES (2, NULL, 2);
INSERT INTO not_null_own_name VALUES (3, NULL, 3);
ALTER TABLE not_null_parent ADD CONSTRAINT c_sometime NOT NULL c NOT VALID;
CREATE TABLE part_not_null (k int, n int) PARTITION BY LIST (k);
CREATE TABLE part_not_null_1 PARTITION OF part_not_null FOR VALUES IN (1);
CREATE TABLE part_not_null_2 PARTITION OF part_not_null FOR VALUES IN (2);
INSERT INTO part_not_null VALUES (1, 1), (2, 2);
ALTER TABLE part_not_null ADD CONSTRAINT n_sometime NOT NULL n NOT VALID;
ALTER TABLE part_not_null_2 VALIDATE CONSTRAINT n_sometime;

CREATE TABLE part_fk (id int, v int) PARTITION BY LIST (v);
CREATE TABLE part_fk_1 PARTITION OF part_fk FOR VALUES IN (1);
INSERT INTO part_fk VALUES (1, 1);
ALTER TABLE part_fk ADD CONSTRAINT fk_not_valid FOREIGN KEY (id) REFERENCES part_parent NOT VALID;
ALTER TABLE part_fk ADD CONSTRAINT fk_not_enforced FOREIGN KEY (id) REFERENCES child NOT ENFORCED;

\if :has_btree_gist
CREATE TABLE periods (id int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE period_refs (id int, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES periods (id, PERIOD valid));
INSERT INTO periods VALUES (1, '[2000-01-01,2001-01-01)'), (1, '[2001-01-01,2002-01-01)');
INSERT INTO period_refs VALUES (1, '[2000-06-01,2001-06-01)');
CREATE TABLE multi_periods (id int, valid datemultirange, CONSTRAINT one_at_a_time UNIQUE (id, valid WITHOUT OVERLAPS) DEFERRABLE);
INSERT INTO multi_periods VALUES (1, '{[2000-01-01,2000-02-01),[2001-01-01,2001-02-01)}'), (1, '{[2000-03-01,2000-04-01)}'), (NULL, NULL);
CREATE TABLE part_periods (id int, valid tsrange, PRIMARY KEY (id, valid WITHOUT OVERLAPS)) PARTITION BY LIST (id);
CREATE TABLE part_periods_1 PARTITION OF part_periods FOR VALUES IN (1);
INSERT INTO part_periods VALUES (1, '[2000-01-01,2000-01-02)');
\endif

--
-- Functions in defaults, collations, indexes, function bodies; settings of tables
--
CREATE TABLE uuids (u uuid PRIMARY KEY DEFAULT uuidv7(), v uuid DEFAULT uuidv7(interval '1 hour'));
INSERT INTO uuids VALUES ('019535d9-3df7-79fb-b466-fa907fa17f9e', '019535d9-3df7-79fb-b466-fa907fa17f9f');
CREATE COLLATION built_in_fast (PROVIDER = builtin, LOCALE = 'PG_UNICODE_FAST');
CREATE TABLE folded (t text COLLATE built_in_fast, u text COLLATE pg_unicode_fast);
CREATE UNIQUE INDEX folded_casefold ON folded (casefold(t));
INSERT INTO folded VALUES ('Straße', 'ß'), ('É', 'é');
CREATE VIEW v_sorted AS SELECT id, array_sort(i, true, false) AS i, crc32c('\x00') AS crc, casefold('ß' COLLATE pg_unicode_fast) AS f FROM arrays;
CREATE FUNCTION old_and_new(i int) RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC
	UPDATE ks.merged SET t = t || '!' WHERE id = i RETURNING WITH (OLD AS o, NEW AS n) o.t || n.t;
END;
CREATE TABLE settings_18 (a int) WITH (vacuum_truncate = false, autovacuum_vacuum_max_threshold = 1000, vacuum_max_eager_freeze_failure_rate = 0.5, toast.vacuum_truncate = false);
INSERT INTO settings_18 VALUES (1);

--
-- Large objects, replication
--
ALTER DEFAULT PRIVILEGES FOR ROLE ks_owner GRANT SELECT ON LARGE OBJECTS TO ks_reader WITH GRANT OPTION;
CREATE PUBLICATION pub_generated FOR TABLE virtual_and_stored (s, t), generated WITH (publish_generated_columns = stored, publish = 'insert');
CREATE PUBLICATION pub_not_generated FOR TABLE computed WITH (publish_generated_columns = none, publish = 'insert');
