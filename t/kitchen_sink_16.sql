-- What PostgreSQL 16 has brought that a database can contain.  Included by
-- kitchen_sink.sql.

CREATE TABLE with_storage (id int, p text STORAGE plain, e text STORAGE external, m text STORAGE main COMPRESSION pglz, x bytea STORAGE extended);
INSERT INTO with_storage VALUES
	(1, repeat('plain', 100), repeat('external', 1000), repeat('main', 3000), decode(repeat('5c0a', 5000), 'hex')),
	(2, NULL, '\', E'\t', '\x5c');
CREATE TABLE who_came (id int, who text DEFAULT SYSTEM_USER);
INSERT INTO who_came VALUES (1, 'peer:me'), (2, NULL);

-- A child may compute the inherited column in its own way.
CREATE TABLE computed (a int, g int GENERATED ALWAYS AS (a * 2) STORED, t text);
CREATE TABLE computed_else (g int GENERATED ALWAYS AS (a * 3) STORED, u text) INHERITS (computed);
CREATE TABLE computed_same (v text) INHERITS (computed);
INSERT INTO computed (a, t) VALUES (1, 'one'), (NULL, '\N');
INSERT INTO computed_else (a, t, u) VALUES (2, 'two', 'u');
INSERT INTO computed_same (a, t, v) VALUES (3, 'three', 'v');

CREATE VIEW v_sql_json AS
	SELECT JSON_OBJECT('id' VALUE id, 't' VALUE t ABSENT ON NULL WITH UNIQUE KEYS RETURNING jsonb) AS o,
	       JSON_ARRAY(id, t NULL ON NULL RETURNING text) AS a,
	       t IS JSON AS is_json, t IS NOT JSON SCALAR AS not_scalar, t IS JSON OBJECT WITH UNIQUE KEYS AS is_object
	  FROM strings;
CREATE VIEW v_sql_json_agg AS
	SELECT JSON_OBJECTAGG(id VALUE t ABSENT ON NULL RETURNING jsonb) AS o, JSON_ARRAYAGG(t ORDER BY id DESC NULL ON NULL) AS a, any_value(v) AS v
	  FROM strings GROUP BY length(t);
CREATE VIEW v_no_alias AS SELECT a + 0xFF_FF + 0o17 + 1_000 AS n FROM (SELECT 1 AS a);
CREATE FUNCTION literals() RETURNS bigint LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 0x7FFF_FFFF_FFFF + 0b1010 + 1_000_000; END;
INSERT INTO documents (id, jp) VALUES (16, '$.a ? (@ > 0x1F_F + 1_000)');
\if :has_xml
CREATE VIEW v_indented AS SELECT xmlserialize(DOCUMENT x AS text INDENT) AS t FROM xmls WHERE id = 1;
\endif
\if :has_icu
CREATE COLLATION with_rules (PROVIDER = icu, LOCALE = 'und', RULES = '& V << w <<< W');
CREATE TABLE collated_by_rules (t text COLLATE with_rules PRIMARY KEY, u text COLLATE unicode, b text COLLATE ucs_basic);
INSERT INTO collated_by_rules VALUES ('w', 'é', 'z'), ('V', 'E', 'ß');
\endif

CREATE STATISTICS ON i2, i4 FROM numbers;
CREATE TRIGGER on_truncate BEFORE TRUNCATE ON ft EXECUTE FUNCTION trigger_none();
CREATE SUBSCRIPTION ks_sub_16 CONNECTION 'host=/nonexistent dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, origin = none, password_required = false, run_as_owner = true, streaming = parallel);
