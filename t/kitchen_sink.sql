-- Every kind of object and value that a backup has to carry, for an empty
-- UTF8 database:   psql -v ON_ERROR_STOP=1 -f kitchen_sink.sql
--
-- Loads on PostgreSQL 15 and later; what needs an optional build feature stands
-- between \if and \endif, what needs a newer server in a file for that version.
-- Roles are shared by all databases of a cluster, so they are only made where
-- they are missing.
-- After a restore of this database the text of pg_dump must be the same, so
-- nothing here may depend on OIDs or on the order in which things were made.

\set QUIET on
SET client_encoding = 'UTF8';
SET client_min_messages = error;
SET standard_conforming_strings = on;
SET extra_float_digits = 1;
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SET lc_monetary = 'C';

SELECT current_setting('server_version_num')::int >= 160000 AS pg16,
       current_setting('server_version_num')::int >= 170000 AS pg17,
       current_setting('server_version_num')::int >= 180000 AS pg18,
       current_setting('server_version_num')::int >= 190000 AS pg19,
       EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) AS has_lz4,
       EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') AS has_icu,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgres_fdw') AS has_postgres_fdw,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'file_fdw') AS has_file_fdw,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore') AS has_hstore,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist') AS has_btree_gist
\gset

CREATE FUNCTION pg_temp.has_xml() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM '<a/>'::xml;
	RETURN true;
EXCEPTION WHEN feature_not_supported THEN
	RETURN false;
END $$;
SELECT pg_temp.has_xml() AS has_xml \gset

SELECT format('CREATE ROLE %I', r)
  FROM unnest(ARRAY['ks_owner', 'ks_reader', 'ks writer "x"', 'ks_grantor']) r
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r)
\gexec
-- A parallel pg_restore grants as ks_grantor before it has granted ks_grantor
-- the use of the schema, if it so happens. This role may use it anyway.
GRANT pg_read_all_data TO ks_grantor;

--
-- Schemas, privileges on them, default privileges
--
CREATE SCHEMA ks AUTHORIZATION ks_owner;
CREATE SCHEMA "Weird ""schema"" ñ";
CREATE SCHEMA ks_empty;
COMMENT ON SCHEMA ks IS 'kitchen ''sink''
on two lines, with a \ backslash';
GRANT USAGE ON SCHEMA ks TO ks_reader, "ks writer ""x""";
GRANT USAGE ON SCHEMA ks TO ks_grantor;
GRANT CREATE ON SCHEMA ks TO "ks writer ""x""" WITH GRANT OPTION;
GRANT USAGE ON SCHEMA ks_empty TO PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

ALTER DEFAULT PRIVILEGES FOR ROLE ks_owner IN SCHEMA ks GRANT SELECT ON TABLES TO ks_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE ks_owner IN SCHEMA ks GRANT USAGE ON SEQUENCES TO ks_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE ks_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE ks_owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE ks_grantor GRANT CREATE ON SCHEMAS TO ks_owner;

SET search_path = ks, pg_catalog;

--
-- Types
--
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'a ''quoted'', {one}' BEFORE 'ok';
ALTER TYPE mood ADD VALUE '' AFTER 'happy';
ALTER TYPE mood RENAME VALUE 'ok' TO 'OK "then"';
COMMENT ON TYPE mood IS 'an enum';
CREATE TYPE empty_enum AS ENUM ();
CREATE TYPE "Ünï type" AS ENUM ('é', '𝄞');

CREATE TYPE point3 AS (x float8, y float8, "the z" numeric(10, 3));
CREATE TYPE deep AS (id int, p point3, moods mood[], note text COLLATE "C");
COMMENT ON TYPE deep IS 'a composite in a composite';
COMMENT ON COLUMN deep.note IS 'an attribute';
ALTER TYPE deep ADD ATTRIBUTE later date;
ALTER TYPE deep DROP ATTRIBUTE later;
ALTER TYPE deep ADD ATTRIBUTE last bool;
CREATE TYPE no_fields AS ();

CREATE DOMAIN posint AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE DOMAIN posint_even AS posint DEFAULT 2 NOT NULL CHECK (VALUE % 2 = 0);
CREATE DOMAIN plane AS point3 CHECK ((VALUE).x IS DISTINCT FROM 666);
CREATE DOMAIN moods AS mood[] CHECK (cardinality(VALUE) < 10);
CREATE DOMAIN late_check AS text COLLATE "C";
ALTER DOMAIN late_check ADD CONSTRAINT not_checked_yet CHECK (length(VALUE) < 3) NOT VALID;
COMMENT ON DOMAIN posint IS 'a domain';
COMMENT ON CONSTRAINT positive ON DOMAIN posint IS 'a domain constraint';
GRANT USAGE ON TYPE posint TO ks_reader;
ALTER TYPE posint OWNER TO ks_owner;

CREATE FUNCTION float8_distance(a float8, b float8) RETURNS float8
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT a - b';
CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8_distance, multirange_type_name = many_floats);
CREATE TYPE texts AS RANGE (subtype = text, collation = "C");
CREATE TYPE points AS RANGE (subtype = point3);

CREATE TYPE shell_only;

-- A base type on the input and output functions of int4.
CREATE TYPE myint;
CREATE FUNCTION myint_in(cstring) RETURNS myint LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION myint_out(myint) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE myint (INPUT = myint_in, OUTPUT = myint_out, LIKE = int4, CATEGORY = 'N', PREFERRED = false, DEFAULT = '42', DELIMITER = ';');

-- and a varlena one, on those of text.
CREATE TYPE mytext;
CREATE FUNCTION mytext_in(cstring) RETURNS mytext LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION mytext_out(mytext) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE mytext (INPUT = mytext_in, OUTPUT = mytext_out, INTERNALLENGTH = variable, STORAGE = extended, COLLATABLE = true);

--
-- Values of every built-in type family
--
CREATE TABLE numbers (
	id int PRIMARY KEY,
	i2 int2, i4 int4, i8 int8,
	f4 float4, f8 float8,
	n numeric, n52 numeric(5, 2), nneg numeric(3, -2), nfrac numeric(3, 5),
	m money, b bool, o oid
);
INSERT INTO numbers VALUES
	(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, true, 0),
	(2, -32768, -2147483648, -9223372036854775808, '-Infinity', '-Infinity', '-Infinity', -999.99, -99900, -0.00999, '-92233720368547758.08', false, 4294967295),
	(3, 32767, 2147483647, 9223372036854775807, 'Infinity', 'Infinity', 'Infinity', 999.99, 99900, 0.00999, '92233720368547758.07', NULL, 1),
	(4, -1, -1, -1, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', '-0.01', true, 2147483648),
	(5, 1, 1, 1, '-0', '-0', '-0.000', 0.005, 50, 0.000005, '1,234.56', true, 10),
	(6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(7, 10, 10, 10, 3.4028235e38, 1.7976931348623157e308, 1e1000, 1, 100, 0.001, 0, true, 7),
	(8, 99, 99, 99, 1.17549435e-38, 2.2250738585072014e-308, 1e-1000, 1.10, 1, 0.1e-4, 0, true, 8),
	(9, 100, 100, 100, 1e-45, 5e-324, 1.0000000000000000000000000000, 1.1, 1, 1e-5, 0, true, 9),
	(10, 9999, 99999999, 9999999999999999, 0.1, 0.1, 0.1, 0.1, 0, 0, 0.1, true, 9),
	(11, 10000, 100000000, 10000000000000000, 16777216, 9007199254740993, 9007199254740993, -0.1, 0, 0, 0.1, true, 9),
	(12, -10000, -100000000, -10000000000000000, 1e15, 1e15, -12345678901234567890.123456789, -0.1, 0, 0, 0.1, true, 9),
	(13, -9999, -99999999, -9999999999999999, 1e16, 1e16, 3e-5, -0.1, 0, 0, 0.1, true, 9),
	(14, 0, 0, 0, 1.5, 0.3333333333333333, repeat('9', 20000)::numeric, 0, 0, 0, 0, true, 9),
	(15, 0, 0, 0, -1.5, -123456.789, ('0.' || repeat('0', 16000) || '1')::numeric, 0, 0, 0, 0, true, 9);
INSERT INTO numbers (id, i2, i4, i8, f8, n)
	SELECT 100 + p, CASE WHEN p < 5 THEN 10 ^ p END, CASE WHEN p < 10 THEN 10 ^ p END, 10::numeric ^ p, 10 ^ p, -(10::numeric ^ p)
	  FROM generate_series(0, 18) p;
INSERT INTO numbers (id, i2, i4, i8, f8, n)
	SELECT 200 + p, CASE WHEN p < 5 THEN 1 - 10 ^ p END, CASE WHEN p < 10 THEN 1 - 10 ^ p END, 1 - 10::numeric ^ p, 1 / 3.0 / 10 ^ p, 10::numeric ^ p - 1
	  FROM generate_series(1, 18) p;

CREATE TABLE strings (id int, t text, v varchar(40), c char(12), n name, ch "char", note text);
INSERT INTO strings VALUES
	(1, '', '', '', '', '', 'empty'),
	(2, ' ', ' ', ' ', ' ', ' ', 'one space'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL),
	(4, '\.', '\.', '\.', '\.', '\', 'end of data'),
	(5, '\N', '\N', '\N', '\N', 'N', 'looks like NULL'),
	(6, E'\\.\n\\.\n', E'\n\\.\n', E'\n\\.', E'\\.\n', E'\n', 'lines of it'),
	(7, E'\b\f\n\r\t\v', E'\t', E'\r', E'\r\n', E'\t', 'each escape'),
	(8, E'\x01\x02\x03\x07\x0e\x1b\x1f\x7f', E'\x7f', E'\x01', E'\x1b', E'\x7f', 'other controls'),
	(9, '\\', '\\\', '\\\\', '\', '\', 'backslashes'),
	(10, 'trailing\', ' lead', 'trail ', 'a b', 'x', 'edges'),
	(11, '𝄞😀🏳️‍🌈', '日本語', 'ñandú', '中', 'a', '4-byte UTF-8'),
	(12, U&'\00e9 e\0301 \FEFF \FFFD \+10FFFF \200B \2028', 'Ω', 'ß', 'İ', 'a', 'code points'),
	(13, 'NULL', 'null', '"', '''', '"', 'words and quotes'),
	(14, '{}', '()', '[]', ',', ';', 'brackets'),
	(15, repeat('\', 1000), repeat(E'\t', 40), repeat('x', 12), repeat('n', 63), NULL, 'runs');
INSERT INTO strings (id, ch) SELECT 1000 + i, i::"char" FROM generate_series(-128, 127) i;

-- An escape at every place of short strings: a formatter that looks at several bytes at once must find them all.
CREATE TABLE escapes (e int, before int, after int, s text, multi text);
INSERT INTO escapes
	SELECT e, i, j, repeat('a', i) || chr(e) || repeat('b', j), repeat('é', i) || chr(e) || repeat('𝄞', j)
	  FROM unnest(ARRAY[8, 9, 10, 11, 12, 13, 92]) e, generate_series(0, 17) i, unnest(ARRAY[0, 1, 7, 8, 9]) j;
-- Neighbours of the escaped bytes, and a table of all lengths without any.
INSERT INTO escapes
	SELECT e, i, 0, repeat('a', i) || chr(e), repeat('é', i) || chr(e)
	  FROM unnest(ARRAY[1, 7, 14, 31, 32, 46, 91, 93, 127, 136, 137, 138, 141, 220, 392]) e, generate_series(0, 9) i;
INSERT INTO escapes SELECT 0, i, 0, repeat('c', i), repeat('漢', i) FROM generate_series(0, 300, 3) i;

CREATE TABLE bytes (id int, b bytea, bits bit(11), vbits varbit, vbits5 varbit(5));
INSERT INTO bytes VALUES
	(1, '', B'00000000000', B'', B''),
	(2, '\x00', B'11111111111', B'0', B'1'),
	(3, '\x0a0d095c2e0a', B'10101010101', B'1011', B'10110'),
	(4, (SELECT string_agg(decode(lpad(to_hex(i), 2, '0'), 'hex'), '' ORDER BY i) FROM generate_series(0, 255) i), NULL, repeat('10', 3000)::varbit, NULL),
	(5, NULL, NULL, NULL, NULL);

CREATE TABLE times (id int, d date, t time, t0 time(0), tz timetz, ts timestamp, ts3 timestamp(3), tstz timestamptz, i interval, iy interval year to month, i2 interval(2));
INSERT INTO times VALUES
	(1, 'infinity', '00:00', '23:59:59.6', '24:00:00+15:59:59', 'infinity', 'infinity', 'infinity', '0', '0', '0'),
	(2, '-infinity', '24:00', '24:00', '00:00:00-15:59:59', '-infinity', '-infinity', '-infinity', '178000000 years', '-178000000 years', '-1 sec'),
	(3, '4713-01-01 BC', '12:34:56.789012', '12:34:56', '12:34:56.789-08', '4714-11-24 00:00:00 BC', '0044-03-15 12:00 BC', '4714-11-24 00:00:00+00 BC', '-1 year +2 mons -3 days +04:05:06.789', '1 year 1 mon', '1.239 sec'),
	(4, '5874897-12-31', '23:59:59.999999', '00:00:00', '00:00:00+00:30', '294276-12-31 23:59:59.999999', '1999-12-31 23:59:59.9999', '294276-12-31 23:59:59.999999+00', '-00:00:00.000001', '-1 mon', '2562047788:00:54.77'),
	(5, '0001-01-01', '00:00:00.000001', '12:00', '23:59:59.999999+05:45', '0001-12-31 23:59:59.1 BC', '2000-01-01', '1883-11-18 12:03:57.999999+00', '1 day -24:00:00', '11 mons', '-2562047788:00:54.77'),
	(6, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(7, '2000-02-29', '1:2:3.4', '1:2:3.5', '1:2:3.4+1', '2000-02-29 01:02:03.4', '2000-02-29 01:02:03.4567', '2024-03-31 02:30:00 Europe/Berlin', '1 mon 1 day 1 sec', '5 years', '0.005 sec');

CREATE TABLE geometry (id int, pt point, ln line, ls lseg, bx box, pth path, pol polygon, cir circle);
INSERT INTO geometry VALUES
	(1, '(0,0)', '{1,0,0}', '[(0,0),(0,0)]', '(0,0),(0,0)', '[(0,0)]', '((0,0))', '<(0,0),0>'),
	(2, '(NaN,Infinity)', '{-1,1e300,-0}', '[(1e-300,2),(3,4e300)]', '(-Infinity,1),(Infinity,-1)', '((0,0),(1,1),(2,0))', '((1,2),(3,4),(5,-6.5))', '<(1,-1),Infinity>'),
	(3, '(0.1,-0)', '{0.1,0.2,0.30000000000000004}', '[(-1,-1),(1,1)]', '(1,2),(3,4)', '[(1,1),(2,2),(3,3)]', NULL, '<(1e15,1e-15),0.5>'),
	(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE network (id int, i inet, c cidr, m macaddr, m8 macaddr8);
INSERT INTO network VALUES
	(1, '0.0.0.0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00'),
	(2, '255.255.255.255/0', '10.1.0.0/16', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'),
	(3, '::ffff:1.2.3.4/128', '2001:db8::/32', '08-00-2b-01-02-03', '08:00:2b:01:02:03'),
	(4, '::/0', '::1/128', '0800.2b01.0203', NULL),
	(5, 'fe80::1/64', NULL, NULL, NULL);

CREATE TABLE documents (id int, j json, jb jsonb, jp jsonpath, tv tsvector, tq tsquery, u uuid);
INSERT INTO documents VALUES
	(1, '{}', '{}', '$', '', '', '00000000-0000-0000-0000-000000000000'),
	(2, '  { "a" : 1, "a": 2,
		"b":[ ] } ', '{"a": 1, "a": 2, "": null}', 'lax $."a b"[*] ? (@.x > 1e3 && @ like_regex "^\\." flag "i")', $$'a':1A,2B,3C,4 'it''s' 'back\\slash' ' space '$$, $$'a':*A & !('b' <2> 'c') | 'it''s'$$, 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
	(3, '"\u00e9\n\\ \/"', '"\u00e9\n\\ \t\ud834\udd1e"', 'strict $.**{2 to last}.size()', to_tsvector('english', 'The quick brown foxes jumped'), 'a <-> b', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
	(4, 'null', 'null', '$.a.keyvalue().key', NULL, NULL, NULL),
	(5, '[1e400, -0.0, 1.10]', '[1e400, -0.0, 1.10, 12345678901234567890.12345678901234567890]', '$[0, 1 to 2]', NULL, NULL, NULL),
	(6, '[[[[[[]]]]]]', jsonb_build_object('long', repeat('\"', 3000), 'deep', jsonb_build_array('[[[]]]'::jsonb)), NULL, NULL, NULL, NULL),
	(7, NULL, NULL, NULL, NULL, NULL, NULL);

\if :has_xml
CREATE TABLE xmls (id int, x xml);
INSERT INTO xmls VALUES
	(1, '<a b="c">&lt;\.&#10;</a>'),
	(2, xmlparse(document '<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e "x">]><d>é</d>')),
	(3, 'only content'),
	(4, ''),
	(5, E'<t>\t\n\\</t>'),
	(6, NULL);
\endif

CREATE TABLE ranges (id int, i4 int4range, i8 int8range, n numrange, d daterange, ts tsrange, tstz tstzrange,
	f floats, tx texts, p points, i4m int4multirange, nm nummultirange, dm datemultirange, tsm tstzmultirange, fm many_floats);
INSERT INTO ranges VALUES
	(1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}', '{}', '{}', '{}', '{}'),
	(2, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '{(,)}', '{(,)}', '{(,)}', '{(,)}', '{(,)}'),
	(3, '[1,5]', '(-9223372036854775807,0]', '(1.10,NaN]', '[-infinity,infinity]', '[-infinity,2000-01-01 00:00:01.5)', '["2000-01-01 00:00:00+01",infinity)',
	 '(-Infinity,-0]', texts('a "b"', E'z\\,\n)'), points(ROW(1, 2, 3)::point3, ROW(1, NULL, 4)::point3), '{[1,2],[5,7),(10,)}', '{(,1.5],[2,2]}', '{[2000-01-01,2000-01-31]}', '{[2000-01-01,infinity]}', '{[1,2],[3,Infinity]}'),
	(4, '(,5)', '[7,]', '[0,0]', '[0044-03-15 BC,)', NULL, NULL, '[0.1,0.3)', '["",""]', NULL, NULL, NULL, NULL, NULL, NULL),
	(5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE arrays (id int, i int[], t text[], n numeric[], b bool[], j jsonb[], by bytea[], tz timestamptz[], m mood[], c deep[], r int4range[], mr int4multirange[], bx box[], my myint[], dm posint[], d3 text[][][]);
INSERT INTO arrays VALUES
	(1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
	(2, '{NULL}', '{NULL,"NULL","",null}', '{NaN,Infinity,-0.10}', '{t,f,NULL}', ARRAY['{"a":[1,"\""]}'::jsonb], ARRAY['\x00'::bytea, ''], '{infinity,-infinity,"2000-01-01 00:00:00+00"}',
	 ARRAY['', 'a ''quoted'', {one}', NULL]::mood[], ARRAY[ROW(1, ROW(1, 'NaN', 1.5), ARRAY['sad', 'OK "then"']::mood[], E'\\,")(\n', NULL)::deep, NULL], '{"[1,3)",empty,NULL}', ARRAY['{[1,2)}'::int4multirange, '{}'], '{(1,1),(0,0);(2,2),(1,1)}', '{1;-2;NULL}', '{1,2}', '{{{a,b},{c,"{}"}},{{"\\.","\\N"},{" ",NULL}}}'),
	(3, '[-2:0]={1,2,3}', '{{"a b","c,d"},{"e\"f","g\\h"}}', '[0:1][5:6]={{1,2},{3,4}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(4, ARRAY(SELECT generate_series(1, 5000)), ARRAY[E'\t\n\r\b\f\v\\'], NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE composites (id int, p point3, d deep, pl plane, pls plane[], nf no_fields, dom posint, dom2 posint_even, ms moods, lc late_check, m mood, um "Ünï type", mi myint, mt mytext, whole numbers);
INSERT INTO composites VALUES
	(1, ROW(1.5, NULL, 2.0005), ROW(1, ROW(1, 2, 3), '{sad,happy}', 'x', true), ROW(1, 2, 3), ARRAY[ROW(1, 2, 3)::plane, NULL], ROW(), 1, 2, '{sad}', 'ab', 'sad', 'é', '7', E'own\ttype \\', (SELECT x FROM numbers x WHERE id = 4)),
	(2, ROW(NULL, NULL, NULL), ROW(NULL, NULL, NULL, '', NULL), NULL, '{}', NULL, NULL, 4, NULL, NULL, '', '𝄞', NULL, '', NULL),
	(3, NULL, ROW(3, ROW('Infinity', '-0', 0), '{}', E' "quoted", (paren)\\ \n\t', false), ROW(NULL, NULL, 1), NULL, NULL, 2147483647, 6, '{"",sad}', '', 'a ''quoted'', {one}', NULL, '-2147483648', repeat('own', 2000)::mytext, NULL);

CREATE TABLE system_types (id int, rc regclass, rt regtype, rp regproc, rpc regprocedure, ro regoper, rop regoperator, rns regnamespace, rr regrole, rcfg regconfig, rdict regdictionary, rcoll regcollation,
	lsn pg_lsn, x xid, x8 xid8, c cid, td tid, sn pg_snapshot, tsn txid_snapshot, a aclitem[], rcur refcursor, ov oidvector, iv int2vector);
INSERT INTO system_types VALUES
	(1, 'ks.numbers', 'ks.mood[]', 'ks.myint_in', 'ks.float8_distance(float8, float8)', 'pg_catalog.?', '+(int4,int4)', 'ks', 'ks_owner', 'simple', 'simple', '"C"',
	 '0/0', '4294967295', '18446744073709551615', '0', '(4294967295,65535)', '10:20:10,14,15', '10:20:10,14,15', '{ks_owner=arwdDxt/ks_owner,"=r/ks_owner"}', 'cur "x"', '1 2 3', '1 -2 3'),
	(2, 'pg_catalog.pg_class', 'pg_catalog.int4', 'pg_catalog.now', 'pg_catalog.now()', NULL, '-(NONE,int4)', 'pg_catalog', NULL, 'english', NULL, 'default',
	 'FFFFFFFF/FFFFFFFF', '0', '0', '1', '(0,0)', '1:1:', '1:1:', '{}', '', '', ''),
	(3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

--
-- TOAST and storage
--
CREATE TABLE toast (id int, how text,
	pglz text COMPRESSION pglz, plain_out text, ext text, main text, bin bytea, arr text[]);
ALTER TABLE toast ALTER ext SET STORAGE external, ALTER main SET STORAGE main, ALTER bin SET STORAGE external;
INSERT INTO toast (id, how, pglz) VALUES (1, 'inline compressed', repeat('abc\', 2000));
INSERT INTO toast (id, how, pglz) SELECT 2, 'external compressed', string_agg(md5(i::text) || repeat(E'\t', 40), '') FROM generate_series(1, 1000) i;
INSERT INTO toast (id, how, plain_out) SELECT 3, 'external, hardly compressible', string_agg(md5(i::text), '') FROM generate_series(1, 3000) i;
INSERT INTO toast (id, how, ext) VALUES (4, 'external uncompressed', repeat('é\', 100000));
INSERT INTO toast (id, how, main) VALUES (5, 'main', repeat('main', 10000));
INSERT INTO toast (id, how, bin) SELECT 6, 'bytea', decode(string_agg(md5(i::text), ''), 'hex') FROM generate_series(1, 2000) i;
INSERT INTO toast (id, how, arr) SELECT 7, 'array', array_agg(repeat(E'\\\n', i)) FROM generate_series(1, 300) i;
INSERT INTO toast SELECT 8, 'all at once', pglz, repeat(how, 5000), repeat(how, 1000), repeat(how, 100), decode(repeat('00ff5c', 3000), 'hex'), ARRAY[repeat('x', 10000)] FROM toast WHERE id = 1;
INSERT INTO toast SELECT 100 + i, 'sizes round the chunk', NULL, repeat('p', i), repeat('e', i), repeat('m', i), decode(repeat('ab', i), 'hex'), NULL
	FROM unnest(ARRAY[126, 127, 1995, 1996, 1997, 2004, 2031, 2032, 3992, 3993, 8191, 8192]) i;
CREATE TABLE toast_small_target (id int, t text) WITH (toast_tuple_target = 128);
INSERT INTO toast_small_target SELECT i, repeat(md5(i::text), i) FROM generate_series(1, 40) i;
\if :has_lz4
CREATE TABLE toast_lz4 (id int, l text COMPRESSION lz4, x text COMPRESSION lz4);
ALTER TABLE toast_lz4 ALTER x SET STORAGE extended;
INSERT INTO toast_lz4 VALUES (1, repeat('abc\', 2000), NULL);
INSERT INTO toast_lz4 SELECT 2, string_agg(md5(i::text) || repeat('=', 40), ''), 'x' FROM generate_series(1, 1000) i;
-- one column with values of both methods
ALTER TABLE toast_lz4 ALTER x SET COMPRESSION pglz;
INSERT INTO toast_lz4 VALUES (3, NULL, repeat('pglz in the column', 500));
ALTER TABLE toast_lz4 ALTER x SET COMPRESSION lz4;
INSERT INTO toast_lz4 VALUES (4, NULL, repeat('lz4 in the column', 500));
\endif

-- Updated and deleted rows, aborted ones, free space in the middle.  (Rows of one size: COPY puts others where
-- there is room, and a restored table would have another order.)
CREATE TABLE churned (id int, t text) WITH (autovacuum_enabled = false);
INSERT INTO churned SELECT i, repeat('v1 ', 50) FROM generate_series(1, 2000) i;
DELETE FROM churned WHERE id % 3 = 0;
UPDATE churned SET t = repeat('v2 ', 50) WHERE id % 5 = 0;
BEGIN;
INSERT INTO churned SELECT -i, 'rolled back' FROM generate_series(1, 200) i;
UPDATE churned SET t = 'rolled back' WHERE id % 7 = 0;
ROLLBACK;

-- A table of some hundred blocks.
CREATE TABLE blocks (id int PRIMARY KEY, filler text);
INSERT INTO blocks SELECT i, repeat(chr(97 + i % 26), 300) FROM generate_series(1, 8000) i;

--
-- Tables with unusual columns
--
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE no_rows (a int, b text);
CREATE TABLE no_columns_left (a int, b text);
INSERT INTO no_columns_left SELECT i, 'gone' FROM generate_series(1, 5) i;
ALTER TABLE no_columns_left DROP a, DROP b;
CREATE TABLE only_nulls (a int, b text, c numeric, d mood, e int[]);
INSERT INTO only_nulls SELECT FROM generate_series(1, 100);
CREATE TABLE dropped_columns (a int, b text, c int, d text, e numeric);
INSERT INTO dropped_columns SELECT i, 'b' || i, i * 2, repeat('gone', 3000), i FROM generate_series(1, 20) i;
ALTER TABLE dropped_columns DROP b, DROP d;
INSERT INTO dropped_columns SELECT i, i * 2, i FROM generate_series(21, 40) i;
CREATE TABLE added_columns (a int);
INSERT INTO added_columns VALUES (1), (2);
ALTER TABLE added_columns ADD b text DEFAULT E'fast\\default\t';
INSERT INTO added_columns VALUES (3, 'own'), (4, NULL);
ALTER TABLE added_columns ADD c int NOT NULL DEFAULT 7, ADD d timestamptz DEFAULT '2001-02-03 04:05:06+00', ADD e int[] DEFAULT '{1,2}', ADD f text;
ALTER TABLE added_columns ALTER b SET DEFAULT 'changed', ALTER c DROP DEFAULT;
INSERT INTO added_columns (a, c) VALUES (5, 8);
CREATE TABLE many_columns ();
SELECT 'ALTER TABLE many_columns ' || string_agg(format('ADD c%s %s', i, CASE WHEN i % 100 = 0 THEN 'text' ELSE 'int2' END), ', ' ORDER BY i)
  FROM generate_series(1, 1600) i
\gexec
SELECT format('INSERT INTO many_columns SELECT %s FROM generate_series(1, 3) r', string_agg(CASE WHEN i % 100 = 0 THEN format('repeat(%L, r)', 'c' || i) ELSE i || ' + r' END, ', ' ORDER BY i))
  FROM generate_series(1, 1600) i
\gexec
INSERT INTO many_columns (c1, c1600) VALUES (1, 'last'), (NULL, NULL);

CREATE TABLE generated (
	id int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5 MINVALUE 10 MAXVALUE 100000 CACHE 3 CYCLE),
	by_default int8 GENERATED BY DEFAULT AS IDENTITY,
	a int, b int GENERATED ALWAYS AS (a * 2) STORED,
	label text GENERATED ALWAYS AS ('<' || coalesce(a::text, '\N') || '>') STORED,
	PRIMARY KEY (id)
);
INSERT INTO generated (a) SELECT NULLIF(i, 3) FROM generate_series(1, 5) i;
INSERT INTO generated (by_default, a) VALUES (1000, 0);
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO only_generated DEFAULT VALUES;
INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE generated_first (g text GENERATED ALWAYS AS (upper(t)) STORED, t text, h int GENERATED ALWAYS AS (length(t)) STORED, u text);
INSERT INTO generated_first (t, u) VALUES ('one', 'x'), (NULL, NULL), ('', '');

--
-- Names
--
CREATE TABLE "Weird ""schema"" ñ"."Table with ""quotes"", space and %s %n $1" ("Col "" one" int, "col'two" text, "select" int, "a\b" text, "1st" int, "日本" text, " " text);
INSERT INTO "Weird ""schema"" ñ"."Table with ""quotes"", space and %s %n $1" VALUES (1, 'x', 2, 'y', 3, '語', ' ');
CREATE TABLE "new
line" ("col
umn" int, "tab	" int, "back\slash" int);
COMMENT ON TABLE "new
line" IS 'a comment
on "two" lines; DROP TABLE x; --';
INSERT INTO "new
line" VALUES (1, 2, 3);
CREATE TABLE "\" (a int);
INSERT INTO "\" VALUES (1);
CREATE TABLE "trailing " (a int);
INSERT INTO "trailing " VALUES (2);
CREATE TABLE "UPPER" (a int);
INSERT INTO "UPPER" VALUES (3);
CREATE TABLE "upper" (a int);
INSERT INTO "upper" VALUES (4);
CREATE TABLE "dot.ted" (a int);
INSERT INTO "dot.ted" VALUES (5);
CREATE TABLE "*?[a]" (a int);
INSERT INTO "*?[a]" VALUES (6);
CREATE TABLE "𝄞 表 table" ("ключ" int, "مفتاح" text);
INSERT INTO "𝄞 表 table" VALUES (1, 'ценность');
CREATE TABLE this_name_is_exactly_sixty_three_bytes_long_as_long_as_can_be_x (a int);
INSERT INTO this_name_is_exactly_sixty_three_bytes_long_as_long_as_can_be_x VALUES (63);
CREATE TABLE "table" ("from" int, "order" text, "user" int, "null" text);
INSERT INTO "table" VALUES (1, 'x', 2, NULL);
CREATE SEQUENCE "Weird ""schema"" ñ"."seq ""'\";
CREATE VIEW "Weird ""schema"" ñ"."view "" é" AS SELECT "Col "" one" AS "a""b" FROM "Weird ""schema"" ñ"."Table with ""quotes"", space and %s %n $1";

--
-- Sequences
--
CREATE SEQUENCE seq_plain;
SELECT nextval('seq_plain'), nextval('seq_plain') \g /dev/null
CREATE SEQUENCE seq_not_called START 77;
CREATE SEQUENCE seq_all AS smallint INCREMENT -3 MINVALUE -300 MAXVALUE 9 START 9 CACHE 5 CYCLE;
SELECT nextval('seq_all') \g /dev/null
CREATE SEQUENCE seq_max;
SELECT setval('seq_max', 9223372036854775807) \g /dev/null
CREATE SEQUENCE seq_set_uncalled;
SELECT setval('seq_set_uncalled', 5, false) \g /dev/null
CREATE UNLOGGED SEQUENCE seq_unlogged;
CREATE TABLE serials (id serial, big bigserial, small smallserial, by_hand int DEFAULT nextval('seq_plain'));
INSERT INTO serials DEFAULT VALUES;
INSERT INTO serials DEFAULT VALUES;
CREATE SEQUENCE seq_owned OWNED BY serials.by_hand;
COMMENT ON SEQUENCE seq_all IS 'a sequence';
GRANT USAGE, SELECT ON SEQUENCE seq_all TO ks_reader;
ALTER SEQUENCE seq_all OWNER TO ks_owner;

--
-- Constraints
--
CREATE TABLE parent (a int, b text, c int UNIQUE, PRIMARY KEY (a, b), CONSTRAINT c_check CHECK (c > 0) NO INHERIT);
INSERT INTO parent VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30);
CREATE TABLE child (id int PRIMARY KEY, a int, b text, c int DEFAULT 10,
	CONSTRAINT full_match FOREIGN KEY (a, b) REFERENCES parent MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (a, b),
	CONSTRAINT deferred FOREIGN KEY (c) REFERENCES parent (c) ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED);
INSERT INTO child VALUES (1, 1, 'one', 10), (2, NULL, NULL, 20), (3, 3, 'three', NULL);
COMMENT ON CONSTRAINT full_match ON child IS 'a foreign key';
CREATE TABLE not_valid (id int, n int);
INSERT INTO not_valid VALUES (99, -1);
ALTER TABLE not_valid ADD CONSTRAINT broken_fk FOREIGN KEY (id) REFERENCES child NOT VALID,
	ADD CONSTRAINT broken_check CHECK (n > 0) NOT VALID;
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree DEFERRABLE);
INSERT INTO tree VALUES (1, 2), (2, 3), (3, 1), (4, NULL);
CREATE TABLE hen (id int PRIMARY KEY, egg int);
CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hen ADD CONSTRAINT hen_egg FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO hen VALUES (1, 2), (2, 1);
INSERT INTO egg VALUES (1, 1), (2, 2);
COMMIT;
CREATE TABLE uniques (a int UNIQUE NULLS NOT DISTINCT, b int, c int, d int,
	CONSTRAINT late UNIQUE (b) INCLUDE (c) DEFERRABLE INITIALLY IMMEDIATE);
CREATE UNIQUE INDEX uniques_d ON uniques (d);
ALTER TABLE uniques ADD CONSTRAINT from_index UNIQUE USING INDEX uniques_d;
INSERT INTO uniques VALUES (1, 1, 1, 1), (NULL, NULL, NULL, NULL);
CREATE TABLE excluded (during tsrange, room point, EXCLUDE USING gist (during WITH &&), EXCLUDE USING gist (circle(room, 1) WITH &&) WHERE (room IS NOT NULL));
INSERT INTO excluded VALUES ('[2000-01-01,2000-01-02)', '(0,0)'), ('[2000-01-02,2000-01-03)', '(9,9)'), ('empty', NULL);
\if :has_btree_gist
CREATE EXTENSION btree_gist WITH SCHEMA public;
CREATE TABLE rooms (room int, during daterange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO rooms VALUES (1, '[2000-01-01,2000-02-01)'), (2, '[2000-01-01,2000-02-01)');
\endif

--
-- Indexes, clustering, replica identity, options
--
CREATE TABLE indexed (id int NOT NULL, t text, j jsonb, r int4range, a int[], p point, ts timestamptz, v tsvector GENERATED ALWAYS AS (to_tsvector('pg_catalog.english', coalesce(t, ''))) STORED)
	WITH (fillfactor = 80, autovacuum_vacuum_threshold = 123, parallel_workers = 2, toast.autovacuum_enabled = false, toast.autovacuum_freeze_min_age = 1000);
INSERT INTO indexed (id, t, j, r, a, p, ts) SELECT i, 'text ' || i, jsonb_build_object('k', i), int4range(i, i + 3), ARRAY[i, i + 1], point(i, -i), '2000-01-01'::timestamptz + i * interval '1 hour' FROM generate_series(1, 500) i;
CREATE UNIQUE INDEX indexed_id ON indexed (id);
CREATE INDEX indexed_partial ON indexed (t) WHERE id % 2 = 0;
CREATE INDEX indexed_expression ON indexed (lower(t) DESC NULLS LAST, (id + 1)) INCLUDE (ts) WITH (fillfactor = 60, deduplicate_items = off);
CREATE INDEX indexed_pattern ON indexed (t text_pattern_ops, t COLLATE "POSIX");
CREATE INDEX indexed_hash ON indexed USING hash (t);
CREATE INDEX indexed_gin ON indexed USING gin (j jsonb_path_ops, a) WITH (fastupdate = off);
CREATE INDEX indexed_gin_v ON indexed USING gin (v);
CREATE INDEX indexed_gist ON indexed USING gist (r, p);
CREATE INDEX indexed_gist_opts ON indexed USING gist (v tsvector_ops (siglen = 100));
CREATE INDEX indexed_spgist ON indexed USING spgist (p);
CREATE INDEX indexed_brin ON indexed USING brin (ts timestamptz_minmax_multi_ops (values_per_range = 16)) WITH (pages_per_range = 4);
ALTER INDEX indexed_expression ALTER COLUMN 2 SET STATISTICS 500;
COMMENT ON INDEX indexed_gin IS 'an index';
CLUSTER indexed USING indexed_id;
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_id;
ALTER TABLE indexed ALTER t SET STATISTICS 1000, ALTER t SET (n_distinct = -0.5), ALTER j SET STORAGE external, ALTER id SET STATISTICS 0;
CREATE TABLE identity_full (a int);
ALTER TABLE identity_full REPLICA IDENTITY FULL;
CREATE TABLE identity_nothing (a int);
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE STATISTICS stats_all ON id, t, (lower(t)) FROM indexed;
CREATE STATISTICS stats_some (ndistinct, mcv) ON id, ts FROM indexed;
CREATE STATISTICS stats_expression ON (id % 7) FROM indexed;
ALTER STATISTICS stats_some SET STATISTICS 99;
COMMENT ON STATISTICS stats_some IS 'extended statistics';

--
-- Partitions, inheritance, unlogged and typed tables
--
CREATE TABLE part (id int, region text, at date NOT NULL, PRIMARY KEY (id, region, at)) PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu', 'EU "x"', NULL) PARTITION BY RANGE (at);
CREATE TABLE part_eu_old PARTITION OF part_eu FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE part_eu_new PARTITION OF part_eu FOR VALUES FROM ('2000-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
CREATE TABLE part_eu_new_0 PARTITION OF part_eu_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_eu_new_1 PARTITION OF part_eu_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
-- columns of an attached partition stand in another order and one was dropped
CREATE TABLE part_us (at date NOT NULL, gone int, region text NOT NULL, id int NOT NULL);
ALTER TABLE part_us DROP gone;
ALTER TABLE part ATTACH PARTITION part_us FOR VALUES IN ('us');
CREATE TABLE part_detached PARTITION OF part FOR VALUES IN ('gone');
ALTER TABLE part DETACH PARTITION part_detached;
INSERT INTO part SELECT i, (ARRAY['eu', 'us', 'asia', 'EU "x"'])[1 + i % 4], '1999-06-01'::date + i FROM generate_series(1, 400) i;
INSERT INTO part_detached VALUES (1, 'gone', '2000-01-01');
CREATE INDEX part_at ON part (at);
CREATE INDEX part_only ON ONLY part (id);
CREATE TABLE part_parent (id int PRIMARY KEY);
CREATE TABLE part_referencing (id int REFERENCES part_parent, v int) PARTITION BY RANGE (v);
CREATE TABLE part_referencing_1 PARTITION OF part_referencing FOR VALUES FROM (0) TO (10);
INSERT INTO part_parent VALUES (1), (2);
INSERT INTO part_referencing VALUES (1, 1), (2, 9);
CREATE TABLE part_expression (t text) PARTITION BY RANGE (lower(t) COLLATE "C", length(t));
CREATE TABLE part_expression_1 PARTITION OF part_expression FOR VALUES FROM ('a', MINVALUE) TO ('n', MAXVALUE);
CREATE TABLE part_expression_rest PARTITION OF part_expression DEFAULT WITH (fillfactor = 50);
INSERT INTO part_expression VALUES ('Hello'), ('zebra'), (NULL);
CREATE TABLE part_without (a int) PARTITION BY LIST (a);
-- pg_dump 16 and later loads such a one through its root
CREATE TABLE part_by_enum (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE part_by_enum_all PARTITION OF part_by_enum FOR VALUES WITH (MODULUS 1, REMAINDER 0);
INSERT INTO part_by_enum VALUES ('sad', 1), ('happy', 2), (NULL, 3);

CREATE TABLE inh_a (a int DEFAULT 1 CHECK (a > 0), shared text);
CREATE TABLE inh_b (b int NOT NULL, shared text);
CREATE TABLE inh_child (c int) INHERITS (inh_a, inh_b);
CREATE TABLE inh_grandchild (a int DEFAULT 5, d int) INHERITS (inh_child);
CREATE TABLE inh_attached (a int CHECK (a > 0), shared text, own text);
ALTER TABLE inh_attached ADD CONSTRAINT inh_a_a_check CHECK (a > 0);
ALTER TABLE inh_attached INHERIT inh_a;
INSERT INTO inh_a VALUES (1, 'a');
INSERT INTO inh_b VALUES (2, 'b');
INSERT INTO inh_child VALUES (1, 'child', 2, 3);
INSERT INTO inh_grandchild VALUES (1, 'grandchild', 2, 3, 4);
INSERT INTO inh_attached VALUES (1, 'attached', 'own');

CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, t text);
INSERT INTO unlogged SELECT i, repeat('u', i * 100) FROM generate_series(1, 50) i;
CREATE TABLE typed OF deep (PRIMARY KEY (id), note WITH OPTIONS DEFAULT 'x');
INSERT INTO typed VALUES (1, NULL, NULL, 'typed', true);
CREATE ACCESS METHOD ks_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD ks_heap IS 'an access method';
CREATE TABLE own_am (a int, b text) USING ks_heap;
INSERT INTO own_am SELECT i, repeat('am', 2000) FROM generate_series(1, 10) i;

--
-- Functions, procedures, aggregates, operators, casts, opclasses, languages, transforms, conversions
--
CREATE FUNCTION add_one(i int) RETURNS int LANGUAGE sql IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE COST 5 AS $$SELECT i + 1$$;
CREATE FUNCTION standard_body(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT a + b + ks.add_one(1); END;
CREATE FUNCTION defaults(INOUT a int DEFAULT 1, OUT b text, VARIADIC rest text[] DEFAULT ARRAY['x', E'\\']) RETURNS record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = ks, pg_temp SET work_mem = '8MB' AS $fn$
BEGIN
	b := $$quoted 'string' \ $$ || rest[1];
END
$fn$;
CREATE FUNCTION "Weird ""schema"" ñ"."f ""x"" é"("a b" ks.mood) RETURNS SETOF ks.numbers LANGUAGE sql STABLE ROWS 3 AS 'SELECT * FROM ks.numbers';
CREATE FUNCTION returns_table(n int) RETURNS TABLE (x int, "y z" text) LANGUAGE sql AS $$SELECT 1, E'\\'$$;
CREATE FUNCTION row_count(regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE 'SELECT count(*) FROM ' || $1 INTO n;
	RETURN n;
END $$;
CREATE FUNCTION win() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
CREATE PROCEDURE work(IN a int, OUT c text, INOUT b int DEFAULT 1) LANGUAGE plpgsql AS $$BEGIN b := a; COMMIT; END$$;
CREATE PROCEDURE work_atomic(a int) BEGIN ATOMIC INSERT INTO ks.tree VALUES (a); END;
COMMENT ON FUNCTION add_one(int) IS 'a function';
COMMENT ON PROCEDURE work IS 'a procedure';
GRANT EXECUTE ON FUNCTION add_one(int) TO ks_reader WITH GRANT OPTION;
REVOKE EXECUTE ON PROCEDURE work FROM PUBLIC;
ALTER FUNCTION defaults OWNER TO ks_owner;

CREATE AGGREGATE concat_all(text) (SFUNC = textcat, STYPE = text, INITCOND = '>', COMBINEFUNC = textcat, PARALLEL = SAFE);
CREATE AGGREGATE my_percentile(float8 ORDER BY anyelement) (STYPE = internal, SFUNC = ordered_set_transition, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA = true, FINALFUNC_MODIFY = read_write);
CREATE AGGREGATE moving_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0');
COMMENT ON AGGREGATE concat_all(text) IS 'an aggregate';

CREATE FUNCTION mood_lt(mood, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text < $2';
CREATE FUNCTION mood_gt(text, mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2::text';
CREATE OPERATOR <<| (LEFTARG = mood, RIGHTARG = text, FUNCTION = mood_lt, RESTRICT = scalarltsel, JOIN = scalarltjoinsel, COMMUTATOR = |>>);
CREATE OPERATOR |>> (LEFTARG = text, RIGHTARG = mood, FUNCTION = mood_gt, COMMUTATOR = <<|);
CREATE OPERATOR @#@ (RIGHTARG = int, FUNCTION = add_one);
COMMENT ON OPERATOR @#@ (NONE, int) IS 'an operator';

CREATE OPERATOR FAMILY backwards USING btree;
CREATE FUNCTION backwards_cmp(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.btint4cmp($2, $1)';
CREATE OPERATOR CLASS int_backwards FOR TYPE int USING btree FAMILY backwards AS
	OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards_cmp(int, int);
ALTER OPERATOR FAMILY backwards USING btree ADD OPERATOR 1 > (int, int8), FUNCTION 1 (int, int8) btint48cmp(int, int8);
COMMENT ON OPERATOR CLASS int_backwards USING btree IS 'an operator class';
COMMENT ON OPERATOR FAMILY backwards USING btree IS 'an operator family';
CREATE INDEX tree_backwards ON tree (id int_backwards);
CREATE ACCESS METHOD ks_gist TYPE INDEX HANDLER gisthandler;
CREATE OPERATOR CLASS box_ks DEFAULT FOR TYPE box USING ks_gist AS
	OPERATOR 1 <<, OPERATOR 2 &<, OPERATOR 3 &&, OPERATOR 4 &>, OPERATOR 5 >>, OPERATOR 6 ~=, OPERATOR 7 @>, OPERATOR 8 <@,
	FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
	FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal);
CREATE INDEX geometry_ks ON geometry USING ks_gist (bx);

CREATE FUNCTION int_to_mood(int) RETURNS mood LANGUAGE sql IMMUTABLE AS $$SELECT CASE $1 WHEN 0 THEN 'sad'::ks.mood ELSE 'happy'::ks.mood END$$;
CREATE CAST (int AS mood) WITH FUNCTION int_to_mood(int) AS ASSIGNMENT;
CREATE CAST (mood AS varchar) WITH INOUT AS IMPLICIT;
CREATE CAST (myint AS int) WITHOUT FUNCTION;
COMMENT ON CAST (int AS mood) IS 'a cast';
CREATE FUNCTION ks_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION ks_inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION ks_validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE ks_lang HANDLER ks_handler INLINE ks_inline VALIDATOR ks_validator;
COMMENT ON LANGUAGE ks_lang IS 'a language';
CREATE FUNCTION in_ks_lang() RETURNS int LANGUAGE ks_lang AS 'BEGIN RETURN 1; END';
GRANT USAGE ON LANGUAGE ks_lang TO ks_reader;
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE FUNCTION uses_transform(int) RETURNS int LANGUAGE sql TRANSFORM FOR TYPE int AS 'SELECT $1';
COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'a transform';
CREATE CONVERSION my_conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION my_conversion IS 'a conversion';

CREATE COLLATION c_copy FROM "C";
COMMENT ON COLLATION c_copy IS 'a collation';
CREATE TABLE collated (a text COLLATE c_copy, b text COLLATE "POSIX");
\if :has_icu
CREATE COLLATION no_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
CREATE TABLE collated_icu (t text COLLATE no_case PRIMARY KEY);
INSERT INTO collated_icu VALUES ('a'), ('É');
\endif

--
-- Text search
--
CREATE TEXT SEARCH PARSER my_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE my_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY my_dictionary (TEMPLATE = my_template, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION my_config (PARSER = my_parser);
ALTER TEXT SEARCH CONFIGURATION my_config ADD MAPPING FOR asciiword, word WITH my_dictionary, english_stem;
CREATE TEXT SEARCH CONFIGURATION my_copy (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION my_copy ALTER MAPPING FOR email WITH simple;
COMMENT ON TEXT SEARCH CONFIGURATION my_config IS 'a configuration';
COMMENT ON TEXT SEARCH DICTIONARY my_dictionary IS 'a dictionary';
COMMENT ON TEXT SEARCH PARSER my_parser IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE my_template IS 'a template';
ALTER TEXT SEARCH CONFIGURATION my_config OWNER TO ks_owner;

--
-- Views, materialized views, rules, triggers, policies
--
CREATE VIEW v_plain AS SELECT id, i2 AS "a ""quoted"" name", n::text || E'\\\n' AS t FROM numbers WHERE b;
CREATE VIEW v_on_view WITH (security_barrier, security_invoker = true) AS SELECT * FROM v_plain WHERE id > 1;
CREATE VIEW v_check WITH (check_option = cascaded) AS SELECT id, t FROM strings WHERE id < 100;
CREATE RECURSIVE VIEW v_recursive (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v_recursive WHERE n < 10;
CREATE VIEW v_complex AS
	WITH w AS MATERIALIZED (SELECT p.a, string_agg(p.b, ', ' ORDER BY p.b DESC) FILTER (WHERE p.c > 1) AS bs FROM parent p GROUP BY GROUPING SETS ((p.a), ()))
	SELECT DISTINCT ON (w.a) w.*, row_number() OVER win AS rn, l.x[1:2] AS sl, (ROW(1, 2, 3)::point3).x AS px, standard_body(1) AS sb, ARRAY(SELECT i FROM generate_series(1, 3) WITH ORDINALITY g(i, o)) AS arr
	FROM w LEFT JOIN LATERAL (SELECT array_agg(c.id) AS x FROM child c WHERE c.a = w.a) l ON true
	WINDOW win AS (PARTITION BY w.a ORDER BY w.bs ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
	ORDER BY w.a, 2 NULLS FIRST;
CREATE VIEW v_needs_group_by_pk AS SELECT id, filler, count(*) FROM blocks GROUP BY id;
CREATE VIEW v_circular_1 AS SELECT 1 AS a;
CREATE VIEW v_circular_2 AS SELECT a FROM v_circular_1;
ALTER VIEW v_plain ALTER id SET DEFAULT 5;
COMMENT ON VIEW v_plain IS 'a view';
COMMENT ON COLUMN v_plain.t IS 'a column of a view';
ALTER VIEW v_on_view OWNER TO ks_owner;

CREATE MATERIALIZED VIEW mv AS SELECT id, repeat(filler, 20) AS big FROM blocks WHERE id < 100;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE MATERIALIZED VIEW mv_of_mv WITH (fillfactor = 50) AS SELECT count(*) AS n FROM mv;
CREATE MATERIALIZED VIEW mv_empty AS SELECT id FROM mv WITH NO DATA;
CREATE MATERIALIZED VIEW a_mv_of_view AS SELECT * FROM v_complex;
COMMENT ON MATERIALIZED VIEW mv IS 'a materialized view';
GRANT SELECT ON mv TO ks_reader;

CREATE TABLE ruled (id int, t text);
CREATE TABLE ruled_log (LIKE ruled INCLUDING ALL, at timestamptz DEFAULT now());
CREATE RULE also AS ON INSERT TO ruled WHERE new.id > 10 DO ALSO INSERT INTO ks.ruled_log VALUES (new.id, new.t);
CREATE RULE "not ""deleted""" AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE several AS ON UPDATE TO ruled DO ALSO (INSERT INTO ks.ruled_log VALUES (old.id); NOTIFY ks_channel, 'it''s');
ALTER TABLE ruled DISABLE RULE several;
CREATE RULE upd AS ON UPDATE TO v_plain DO INSTEAD UPDATE ks.ruled SET t = new.t WHERE id = old.id RETURNING id, id::int2, t;
COMMENT ON RULE also ON ruled IS 'a rule';
INSERT INTO ruled VALUES (1, 'one'), (11, 'eleven');
DELETE FROM ruled_log;

CREATE TABLE triggered (id int PRIMARY KEY, t text, n int);
CREATE FUNCTION trigger_fn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF tg_op = 'INSERT' THEN new.t := new.t || ' (seen)'; END IF;
	RETURN new;
END $$;
CREATE FUNCTION trigger_none() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OF t, n ON triggered FOR EACH ROW WHEN (new.n IS DISTINCT FROM 0) EXECUTE FUNCTION trigger_fn('an arg', E'\\x''y');
CREATE TRIGGER after_statement AFTER UPDATE ON triggered REFERENCING OLD TABLE AS was NEW TABLE AS "is" FOR EACH STATEMENT EXECUTE FUNCTION trigger_none();
CREATE TRIGGER on_truncate BEFORE TRUNCATE ON triggered EXECUTE FUNCTION trigger_none();
CREATE CONSTRAINT TRIGGER at_commit AFTER DELETE ON triggered FROM parent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trigger_none();
CREATE TRIGGER "disabled ""one""" BEFORE DELETE ON triggered FOR EACH ROW EXECUTE FUNCTION trigger_none();
CREATE TRIGGER always_one BEFORE DELETE ON triggered FOR EACH ROW EXECUTE FUNCTION trigger_none();
CREATE TRIGGER replica_one BEFORE DELETE ON triggered FOR EACH ROW EXECUTE FUNCTION trigger_none();
ALTER TABLE triggered DISABLE TRIGGER "disabled ""one""", ENABLE ALWAYS TRIGGER always_one, ENABLE REPLICA TRIGGER replica_one;
CREATE TRIGGER instead_of INSTEAD OF INSERT ON v_on_view FOR EACH ROW EXECUTE FUNCTION trigger_none();
-- On a partitioned table without indexes: creating the trigger locks partitions,
-- attaching their indexes too, so that parallel pg_restores could deadlock.
CREATE TRIGGER on_part AFTER INSERT ON part_expression FOR EACH ROW EXECUTE FUNCTION trigger_none();
ALTER TABLE part_expression_1 DISABLE TRIGGER on_part;
COMMENT ON TRIGGER before_row ON triggered IS 'a trigger';
INSERT INTO triggered VALUES (1, 'one', 1), (2, 'two', 0), (3, 'three', NULL);
CREATE TABLE search_path_trap (id int, n bigint CHECK (ks.add_one(id) > 0));
INSERT INTO search_path_trap VALUES (1, 1);
CREATE INDEX search_path_trap_i ON search_path_trap (ks.add_one(id));

CREATE TABLE secured (id int, owner name DEFAULT CURRENT_USER, secret text);
INSERT INTO secured VALUES (1, 'ks_owner', 'a'), (2, 'ks_reader', 'b'), (3, 'nobody', 'c');
ALTER TABLE secured OWNER TO ks_owner;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON secured USING (owner = CURRENT_USER) WITH CHECK (length(secret) < 100);
CREATE POLICY "restrict ""it""" ON secured AS RESTRICTIVE FOR SELECT TO ks_reader, "ks writer ""x""" USING (id IN (SELECT t.id FROM ks.tree t));
CREATE POLICY for_insert ON secured FOR INSERT TO ks_reader WITH CHECK (true);
COMMENT ON POLICY own ON secured IS 'a policy';
-- a policy without row security, and row security without a policy
CREATE TABLE secured_not (id int);
CREATE POLICY unused ON secured_not USING (false);
INSERT INTO secured_not VALUES (1);
CREATE TABLE secured_all (id int);
ALTER TABLE secured_all ENABLE ROW LEVEL SECURITY;
INSERT INTO secured_all VALUES (1), (2);
ALTER TABLE secured_all OWNER TO ks_owner;

--
-- Privileges
--
CREATE TABLE granted (id int, opened text, closed text, twice text);
INSERT INTO granted VALUES (1, 'o', 'c', 'b');
ALTER TABLE granted OWNER TO ks_owner;
GRANT ALL ON granted TO ks_grantor WITH GRANT OPTION;
SET ROLE ks_grantor;
GRANT SELECT, INSERT ON ks.granted TO "ks writer ""x""";
RESET ROLE;
GRANT SELECT (opened, twice), UPDATE (twice) ON granted TO ks_reader;
GRANT REFERENCES (id) ON granted TO ks_reader WITH GRANT OPTION;
GRANT TRIGGER ON granted TO PUBLIC;
REVOKE INSERT ON granted FROM ks_owner;
CREATE TABLE granted_nothing (a int);
REVOKE ALL ON granted_nothing FROM CURRENT_USER;
INSERT INTO granted_nothing VALUES (1);
COMMENT ON TABLE granted IS 'a table';
COMMENT ON COLUMN granted.opened IS E'a column, with ''quotes'', \\ and 𝄞';

--
-- Foreign data
--
CREATE FOREIGN DATA WRAPPER ks_fdw OPTIONS (debug 'true', "odd ""name""" 'a ''value''');
CREATE SERVER ks_server TYPE 'oracle' VERSION '1.0' FOREIGN DATA WRAPPER ks_fdw OPTIONS (host 'nowhere', port '1');
CREATE USER MAPPING FOR ks_reader SERVER ks_server OPTIONS (username 'me', password 'se''cret');
CREATE USER MAPPING FOR PUBLIC SERVER ks_server;
CREATE FOREIGN TABLE ft (id int OPTIONS (column_name 'ID') NOT NULL, t text COLLATE "C" DEFAULT 'x', CONSTRAINT ft_check CHECK (id > 0)) SERVER ks_server OPTIONS (table_name 'T "1"');
COMMENT ON SERVER ks_server IS 'a server';
COMMENT ON FOREIGN DATA WRAPPER ks_fdw IS 'a wrapper';
COMMENT ON FOREIGN TABLE ft IS 'a foreign table';
GRANT USAGE ON FOREIGN SERVER ks_server TO ks_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER ks_fdw TO ks_reader;
GRANT SELECT ON ft TO ks_reader;
CREATE TABLE part_mixed (a int) PARTITION BY LIST (a);
CREATE FOREIGN TABLE part_mixed_foreign PARTITION OF part_mixed FOR VALUES IN (1) SERVER ks_server;
CREATE TABLE part_mixed_local PARTITION OF part_mixed FOR VALUES IN (2);
INSERT INTO part_mixed VALUES (2);
\if :has_postgres_fdw
CREATE EXTENSION postgres_fdw WITH SCHEMA public;
CREATE SERVER nobody_home FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nonexistent', dbname 'x', port '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER nobody_home;
-- reading this one would be an error
CREATE FOREIGN TABLE ft_nobody_home (a int) SERVER nobody_home;
\endif
\if :has_file_fdw
CREATE EXTENSION file_fdw WITH SCHEMA public;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE ft_file (a text) SERVER files OPTIONS (filename '/nonexistent/x.csv', format 'csv');
\endif
\if :has_hstore
CREATE SCHEMA "Ext schema";
CREATE EXTENSION hstore WITH SCHEMA "Ext schema";
CREATE TABLE hstores (id int, h "Ext schema".hstore);
INSERT INTO hstores VALUES (1, ''), (2, '"a b"=>"c\\d", "q\""=>NULL'), (3, NULL);
CREATE INDEX hstores_h ON hstores USING gist (h "Ext schema".gist_hstore_ops);
COMMENT ON EXTENSION hstore IS 'another comment';
\endif

--
-- Large objects
--
SELECT lo_create(424200), lo_from_bytea(424201, '\x00015c2e0aff'), lo_from_bytea(424202, decode(repeat('00ff5c2e0a6162', 5000), 'hex')),
       lo_create(424203), lo_from_bytea(424204, decode(repeat('ab', 2048), 'hex')), lo_from_bytea(424205, 'x'), lo_from_bytea(4294967290, 'far')
\g /dev/null
SELECT lo_put(424203, 100000, 'after a hole'), lo_put(424205, 0, '') \g /dev/null
SELECT lo_from_bytea(424300 + i, repeat(i::text || '-', i * 10)::bytea) FROM generate_series(0, 60) i \g /dev/null
COMMENT ON LARGE OBJECT 424201 IS 'a large object';
GRANT SELECT ON LARGE OBJECT 424201 TO ks_reader;
GRANT ALL ON LARGE OBJECT 424202 TO PUBLIC;
ALTER LARGE OBJECT 424204 OWNER TO ks_owner;
CREATE TABLE lo_refs (name text, lo oid);
INSERT INTO lo_refs VALUES ('some', 424201), ('dangling', 1);

--
-- Replication
--
CREATE PUBLICATION pub_all FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION "pub ""some""" FOR TABLE numbers (id, i4), blocks WHERE (id > 10), ONLY inh_a WITH (publish = 'insert, truncate');
CREATE PUBLICATION pub_part FOR TABLE part WITH (publish_via_partition_root = true, publish = 'insert');
CREATE PUBLICATION pub_schema FOR TABLES IN SCHEMA ks_empty WITH (publish = 'insert');
CREATE PUBLICATION pub_nothing;
COMMENT ON PUBLICATION pub_all IS 'a publication';
ALTER PUBLICATION pub_all OWNER TO CURRENT_USER;
CREATE SUBSCRIPTION ks_sub CONNECTION 'host=/nonexistent dbname=nowhere' PUBLICATION p1, "p ""2""" WITH (connect = false, slot_name = NONE, binary = true, streaming = on, synchronous_commit = 'off');
COMMENT ON SUBSCRIPTION ks_sub IS 'a subscription';

--
-- What newer versions have brought
--
\if :pg16
\ir kitchen_sink_16.sql
\endif
\if :pg17
\ir kitchen_sink_17.sql
\endif
\if :pg18
\ir kitchen_sink_18.sql
\endif
\if :pg19
\ir kitchen_sink_19.sql
\endif

--
-- Comments of the rest, event triggers (last: they would fire)
--
COMMENT ON TYPE floats IS 'a range type';
COMMENT ON TABLE part IS 'a partitioned table';
COMMENT ON EXTENSION plpgsql IS 'procedural';
CREATE FUNCTION event_fn() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER ks_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER FUNCTION') EXECUTE FUNCTION ks.event_fn();
CREATE EVENT TRIGGER "ks ""drop""" ON sql_drop EXECUTE FUNCTION ks.event_fn();
CREATE EVENT TRIGGER ks_rewrite ON table_rewrite EXECUTE FUNCTION ks.event_fn();
CREATE EVENT TRIGGER ks_disabled ON ddl_command_start EXECUTE FUNCTION ks.event_fn();
ALTER EVENT TRIGGER ks_disabled DISABLE;
COMMENT ON EVENT TRIGGER ks_ddl IS 'an event trigger';
