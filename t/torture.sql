-- The database that t/lib/Torture.pm tortures.
--
-- It has slots: slot k owns the relations w<k> (big, with TOAST), p<k>
-- (partitioned) and c<k> (a catalog table, with an enum), the sequence s<k>, the
-- function f<k>, the view q<k>, the type e<k>, and a large object.  Whoever works
-- on a slot claims it with an advisory lock, and writes down in the same
-- transaction, by record(), what the slot is like: state() says it all, rows and
-- definitions.  So state(k) = truth.state as of any moment, and in any restored
-- database.
--
-- bank has 50 accounts which always add up to zero.  Tables late<n> have 100 rows,
-- or are not there.  log has a line for each
-- version of each slot.

CREATE TABLE truth (k int PRIMARY KEY, version int NOT NULL, state jsonb);
CREATE TABLE log (k int REFERENCES truth, version int, kind text, PRIMARY KEY (k, version));
CREATE TABLE bank (id int PRIMARY KEY, balance bigint, pad text);
INSERT INTO bank SELECT g, 0, repeat('x', 500) FROM generate_series(1, 50) g;
CREATE MATERIALIZED VIEW versions AS SELECT k, version FROM truth;
CREATE UNIQUE INDEX versions_k ON versions (k);

CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';

-- n rows; values of pad above 2 kB are in TOAST
CREATE FUNCTION fill(k int, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO w%s (id, v, pad)
		SELECT g, g + %s, repeat(md5((g + %2$s)::text), 1 + g %% 120) FROM generate_series(1, %s) g', k, (random() * 1e6)::int, n);
END $$;

CREATE FUNCTION make_table(k int, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE w%s (id int, v bigint, pad text)', k);
	EXECUTE format('ALTER TABLE w%s ALTER pad SET STORAGE external', k);
	EXECUTE format('CREATE INDEX id_w%s ON w%1$s (id)', k);
	EXECUTE format('CREATE TRIGGER bump BEFORE INSERT ON w%s FOR EACH ROW EXECUTE FUNCTION bump()', k);
	PERFORM fill(k, n);
END $$;

-- a type with labels of its own, and a table of such
CREATE FUNCTION make_enum(k int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	label text := 'label ' || (random() * 1e6)::int;
BEGIN
	EXECUTE format('CREATE TYPE e%s AS ENUM (%L, ''other'')', k, label);
	EXECUTE format('CREATE TABLE c%s (id int, e e%1$s) WITH (user_catalog_table = true)', k);
	EXECUTE format('INSERT INTO c%s SELECT g, %L FROM generate_series(1, 500) g', k, label);
END $$;

CREATE FUNCTION make_partition(k int, i int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE p%s_%s PARTITION OF p%1$s FOR VALUES FROM (%3$s) TO (%4$s)', k, i, i * 1000, (i + 1) * 1000);
	EXECUTE format('INSERT INTO p%s_%s SELECT %s + g, md5(random()::text) FROM generate_series(0, 999) g', k, i, i * 1000);
END $$;

-- One partition goes, stands alone, is refilled, or comes back.
CREATE FUNCTION repartition(k int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	i int := (random() * 3)::int;
	part text := format('p%s_%s', k, i);
BEGIN
	IF to_regclass(part) IS NULL THEN
		PERFORM make_partition(k, i);
	ELSIF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(part)) THEN
		EXECUTE format('ALTER TABLE p%s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', k, part, i * 1000, (i + 1) * 1000);
	ELSIF random() < 0.3 THEN
		EXECUTE format('DROP TABLE %s', part);
	ELSIF random() < 0.3 THEN
		EXECUTE format('TRUNCATE %s; INSERT INTO %1$s VALUES (%s, ''refilled'')', part, i * 1000);
	ELSE
		EXECUTE format('ALTER TABLE p%s DETACH PARTITION %s', k, part);
	END IF;
END $$;

CREATE FUNCTION state(k int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	w regclass := format('w%s', k);
	result jsonb;
BEGIN
	EXECUTE format($q$SELECT jsonb_build_object(
		'w', (SELECT array[count(*), sum(v), sum(hashtext(w%1$s::text))] FROM w%1$s),
		'p', (SELECT array[count(*), sum(hashtext(p%1$s::text))] FROM p%1$s),
		'c', (SELECT array[count(*), sum(hashtext(c%1$s::text))] FROM c%1$s),
		's', (SELECT array[last_value, is_called::int] FROM s%1$s),
		'f', f%1$s(),
		'q', (SELECT to_jsonb(q%1$s) FROM q%1$s))$q$, k)
	INTO result;
	RETURN result || jsonb_build_object(
		'persistence', (SELECT relpersistence FROM pg_class WHERE oid = w),
		'tablespace', (SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid = w),
		'columns', (SELECT jsonb_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attstorage, pg_get_expr(adbin, adrelid)) ORDER BY attnum)
			FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE attrelid = w AND attnum > 0 AND NOT attisdropped),
		-- indexes made concurrently are nobody's transaction
		'indexes', (SELECT jsonb_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid::regclass::text)
			FROM pg_index WHERE indrelid = w AND indexrelid::regclass::text !~ 'concurrent|_cc'),
		'constraints', (SELECT jsonb_agg(conname || pg_get_constraintdef(oid) ORDER BY conname) FROM pg_constraint WHERE conrelid = w),
		'triggers', (SELECT jsonb_agg(tgname ORDER BY tgname) FROM pg_trigger WHERE tgrelid = w),
		'comment', obj_description(w, 'pg_class'),
		'increment', (SELECT seqincrement FROM pg_sequence WHERE seqrelid = format('s%s', k)::regclass),
		'partitions', (SELECT jsonb_agg(relname || coalesce(pg_get_expr(relpartbound, oid), '') ORDER BY relname)
			FROM pg_class WHERE relname ~ format('^p%s_', k) AND relkind = 'r'),
		'lo', md5(lo_get(1000 + k)));
END $$;

-- The end of each transaction on a slot.
CREATE FUNCTION record(slot int, what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v int;
BEGIN
	UPDATE truth SET version = version + 1 WHERE k = slot RETURNING version INTO v;
	INSERT INTO log VALUES (slot, v, what);
	IF random() < 0.5 THEN
		EXECUTE format('CREATE OR REPLACE FUNCTION f%s() RETURNS int LANGUAGE sql AS ''SELECT %s''', slot, v);
	END IF;
	IF random() < 0.3 THEN
		EXECUTE format('COMMENT ON TABLE w%s IS ''version %s''', slot, v);
	END IF;
	IF random() < 0.3 THEN
		EXECUTE format('ALTER TABLE w%s ALTER v SET DEFAULT %s', slot, v);
	END IF;
	IF random() < 0.2 THEN
		EXECUTE format('ALTER TABLE w%s DROP CONSTRAINT IF EXISTS positive; ALTER TABLE w%1$s ADD CONSTRAINT positive CHECK (v > -%s)', slot, v);
	END IF;
	IF to_regclass('q' || slot) IS NULL OR random() < 0.3 THEN
		EXECUTE format('DROP VIEW IF EXISTS q%s; CREATE VIEW q%1$s AS SELECT %s AS version, max(v) FROM w%1$s', slot, v);
	END IF;
	IF random() < 0.3 THEN
		PERFORM lo_put(1000 + slot, 0, rpad('version ' || v, 3000 + v % 2000)::bytea);
	END IF;
	UPDATE truth SET state = state(slot) WHERE k = slot;
END $$;

-- A table of 100 rows for each client, which comes and goes.
CREATE FUNCTION make_late(client int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE late%s AS SELECT i FROM generate_series(1, 100) i', client);
END $$;

SELECT make_late(client) FROM generate_series(0, 4) client;

CREATE FUNCTION wrong_late() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	name text;
	n int;
BEGIN
	FOR name IN SELECT relname FROM pg_class WHERE relname ~ '^late\d+$' LOOP
		EXECUTE format('SELECT count(*) FROM %s', name) INTO n;
		IF n <> 100 THEN
			RETURN NEXT format('%s: %s rows', name, n);
		END IF;
	END LOOP;
END $$;

-- What is wrong, in this database.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('slot %s: recorded %s, found %s', k, t.state - same, found - same)
	FROM truth t,
		LATERAL state(k) AS found,
		LATERAL (SELECT coalesce(array_agg(key), '{}') FROM jsonb_each(t.state) AS e(key, value) WHERE found -> key = value) AS s(same)
	WHERE t.state <> found
	UNION ALL
	SELECT format('slot %s: version %s, but log has %s lines up to version %s', k, t.version, count(l), max(l.version))
	FROM truth t LEFT JOIN log l USING (k)
	GROUP BY k, t.version HAVING count(l) <> t.version OR max(l.version) <> t.version
	UNION ALL
	SELECT format('bank: %s accounts, sum %s', count(*), sum(balance))
	FROM bank HAVING count(*) <> 50 OR sum(balance) <> 0
	UNION ALL
	SELECT * FROM wrong_late()
$$;

DO $$
BEGIN
	FOR k IN 1 .. 8 LOOP
		INSERT INTO truth VALUES (k, 0);
		PERFORM make_table(k, 1000), make_enum(k), lo_from_bytea(1000 + k, 'version 0');
		EXECUTE format('CREATE TABLE p%s (id int, t text) PARTITION BY RANGE (id)', k);
		PERFORM make_partition(k, i) FROM generate_series(0, 2) i;
		EXECUTE format('CREATE SEQUENCE s%s', k);
		EXECUTE format('CREATE FUNCTION f%s() RETURNS int LANGUAGE sql AS ''SELECT 0''', k);
		PERFORM record(k, 'made');
	END LOOP;
END $$;
