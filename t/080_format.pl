
# Every byte of a data file is pg_dump's: for each type whose text is not left to
# its output function, edge values and random ones, alone, in arrays, and in
# domains; and for some others. In several encodings and time zones.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
my $random_rows = 200;

my ($version) = `pg_config --version` =~ /(\d+)/;

# What makes one random value of a type; r() is a random bigint, of any magnitude.
my $helpers = q{
	CREATE FUNCTION r() RETURNS bigint LANGUAGE sql VOLATILE AS
		$$SELECT ((random() - 0.5) * 2 * 2 ^ (random() * 63))::bigint$$;
	CREATE FUNCTION bits(n int) RETURNS text LANGUAGE sql VOLATILE AS
		$$SELECT coalesce(string_agg(CASE WHEN random() < 0.5 THEN '0' ELSE '1' END, ''), '') FROM generate_series(1, n)$$;
	CREATE FUNCTION f8() RETURNS float8 LANGUAGE sql VOLATILE AS
		$$SELECT ((CASE WHEN random() < 0.5 THEN '-' ELSE '' END) || (random() + 0.1) || 'e' || (random() * 610 - 305)::int)::float8$$;
	CREATE FUNCTION n() RETURNS numeric LANGUAGE sql VOLATILE AS
		$$SELECT (CASE WHEN random() < 0.5 THEN '-' ELSE '' END ||
			(SELECT string_agg(((random() * 9)::int)::text, '') FROM generate_series(1, 1 + (random() * random() * 60)::int)) ||
			'.' || repeat('0', (random() * random() * 12)::int) ||
			(SELECT string_agg(((random() * 9)::int)::text, '') FROM generate_series(1, 1 + (random() * random() * 60)::int)) ||
			repeat('0', (random() * random() * 12)::int))::numeric$$;
	CREATE FUNCTION hex(n int) RETURNS text LANGUAGE sql VOLATILE AS
		$$SELECT coalesce(string_agg(lpad(to_hex((random() * 255)::int), 2, '0'), ''), '') FROM generate_series(1, n)$$;
	-- all bytes that are escaped, in every position
	CREATE FUNCTION t() RETURNS text LANGUAGE sql VOLATILE AS
		$$SELECT coalesce(string_agg(CASE WHEN random() < 0.8 THEN chr(33 + (random() * 93)::int) ELSE chr(1 + (random() * 126)::int) END, ''), '')
			FROM generate_series(1, (random() * random() * 80)::int)$$;
	CREATE TYPE mood AS ENUM ('', 'NULL', 'sad, very', E'new\nline', E'back\\\\slash', '"quoted"', '{}', 'plain', 'then-added');};

# [ type, random value, edge values ... ]
my @types = (
	[ 'bool', 'random() < 0.5', 'true', 'false' ],
	[
		'int2', '(random() * 65535 - 32768)::int',
		-32768, -32767, -1, 0, 9, 10, 99, 100, 32767
	],
	[
		'int4', 'r() / 4294967296',
		-2147483648, -2147483647, -1, 0, 9, 10, 99999, 100000, 2147483647
	],
	[
		'int8', 'r()',
		-9223372036854775808, -9223372036854775807,
		0, 9223372036854775807,
		9999999999, 10000000000
	],
	[ 'oid', 'abs(r() / 4294967296)', 0, 4294967295 ],
	[ 'xid', 'abs(r() / 4294967296)::text::xid', 0, 4294967295 ],
	[ 'cid', 'abs(r() / 4294967296)::text::cid', 0, 4294967295 ],
	[ 'xid8', 'abs(r())::text::xid8', 0, '18446744073709551615' ],
	[
		'tid', q{format('(%s,%s)', abs(r() / 4294967296), 7)::tid},
		'(0,0)', '(4294967295,65535)'
	],
	[
		'float4',
		'(r() / 1e9)::float4',
		qw(0 -0 NaN Infinity -Infinity 1e-45 1.17549435e-38 3.4028235e38 0.1 1e6 1e15 16777217 123456.7 -9.99999e-5 0.0001)
	],
	[
		'float8', 'f8()',
		qw(0 -0 NaN Infinity -Infinity 5e-324 2.2250738585072014e-308 1.7976931348623157e308 0.1 0.3 1e14 1e15 1e16 1e17
		  999999999999999 9999999999999998 123456789012345680 0.0001 0.00001 -1e-5 1e21 1e22 1e23)
	],
	[
		'numeric', 'n()',
		qw(0 0.0 0.000000000 -0.0 NaN Infinity -Infinity 1 -1 10 9999 10000 99999999 0.1 0.0001 0.00001 1.10000 100.00 1e100 -1e-100
		  12345678901234567890.12345678901234567890 1e1000 1e-1000 1e131071 1e-16383 1e64 1e-64 0.99999 10000.0001)
	],
	[ 'numeric(12,4)', '(random() * 1e7 - 5e6)::numeric(12,4)', 0, 'NaN' ],
	[
		'money', '(r() / 100)',
		'-92233720368547758.08', '92233720368547758.07',
		'0', '-0.01', '999.99', '-1000', '1234567.89'
	],
	[
		'date',
		q{date '2000-01-01' + (random() * 400000 - 200000)::int},
		qw(infinity -infinity 5874897-12-31),
		'4713-11-24 BC',
		'0001-01-01',
		'0001-12-31 BC',
		'0045-02-29 BC',
		'9999-12-31',
		'10000-01-01',
		'2000-02-29',
		'1900-03-01'
	],
	[
		'time',
		q{time '00:00' + random() * interval '1 day'},
		qw(00:00 24:00 23:59:59.999999 00:00:00.000001 12:34:56.1 12:34:56.12 01:02:03.120)
	],
	[
		'timetz',
		q{(time '00:00' + random() * interval '1 day') AT TIME ZONE ((random() * 50000 - 25000)::int || ' s')::interval},
		qw(00:00+00 24:00-15:59:59 23:59:59.999999+15:59:59 12:34:56.5+05:30 00:00-00:00:01)
	],
	[
		'timestamp',
		q{timestamp '2000-01-01' + (random() - 0.5) * interval '6000 years'},
		qw(infinity -infinity),
		'4713-11-24 00:00:00 BC',
		'294276-12-31 23:59:59.999999',
		'1999-12-31 23:59:59.999999',
		'2000-01-01',
		'0001-12-31 23:59:59.9 BC',
		'0001-01-01',
		'9999-12-31 23:59:59',
		'10000-01-01 00:00:00.000001'
	],
	[
		'timestamptz',
		q{timestamptz '2000-01-01' + (random() - 0.5) * interval '3000 years'},
		qw(infinity -infinity),
		'4713-11-24 00:00:00+00 BC',
		'294276-12-31 00:00:00+00',
		'1999-12-31 23:59:59.999999+00',
		'0001-12-31 23:59:59.9 BC',
		'1880-01-01',
		'1900-01-01',
		'1937-06-30 23:40:27.5',
		'1937-07-01 00:00:28',
		'2021-03-28 01:59:59.999999',
		'2021-03-28 03:00:00',
		'2021-10-31 00:59:59.999999+00',
		'2021-10-31 01:00:00+00',
		'2037-12-31 23:00',
		'2038-01-19 03:14:08+00',
		'2400-07-01',
		'20000-01-01'
	],
	[
		'interval',
		q{(r() / 8589934592 || ' month')::interval + (r() / 8589934592 || ' day')::interval + (r() / 1000000 || ' s')::interval * 0.987654321},
		'0',
		'1 day',
		'-1 day',
		'1 year -1 mon',
		'-1 year 1 day',
		'1 mon -1 day 1 s',
		'-1 mon 1 day -1 s',
		'-0.000001 s',
		'1 day -0.5 s',
		'-1 day 0.5 s',
		'178956970 years 7 mons 2147483647 days',
		'-178956970 years -8 mons -2147483648 days',
		'99:59:59',
		'100:00:00.1',
		'-2562047788:00:54.775807',
		'2562047788:00:54.775807',
		'2 years 2 mons 2 days 02:02:02'
	],
	[
		'uuid',
		'hex(16)::uuid',
		'00000000-0000-0000-0000-000000000000',
		'ffffffff-ffff-ffff-ffff-ffffffffffff',
		'01234567-89ab-cdef-0123-456789abcdef'
	],
	[
		'bytea', q{decode(hex((random() * random() * 100)::int), 'hex')},
		'', '\\\\x00', q{\\\\x0d0a095c}
	],
	[
		'inet',
		q{format('%s.%s.%s.%s/%s', (random() * 255)::int, (random() * 255)::int, (random() * 255)::int, (random() * 255)::int, (random() * 32)::int)::inet},
		qw(0.0.0.0 255.255.255.255/32 10.1.2.3/8 127.0.0.1/0 :: ::1 ::1/0 ::ffff:1.2.3.4 2001:db8::1/64 fe80:0:0:1:2:3:4:5/127 1:0:0:2::3/128 ::1.2.3.4)
	],
	[
		'cidr',
		q{network(format('%s.%s.%s.%s/%s', (random() * 255)::int, (random() * 255)::int, (random() * 255)::int, (random() * 255)::int, (random() * 32)::int)::inet)},
		qw(0.0.0.0/0 10.0.0.0/8 1.2.3.4 ::/0 2001:db8::/32 ::1/128 ::ffff:1.2.3.4/128)
	],
	[ '"char"', 'chr(32 + (random() * 94)::int)', '', 'a', '\\\\', '\\t' ],
	[ 'name', 't()', '', 'NULL', 'x' x 63 ],
	[
		'text', 't()',
		'', 'NULL',
		'null', '{',
		'}', ',',
		'"', '\\\\',
		'\\b\\f\\n\\r\\t\\v', ' ',
		'\\\\N', '\\\\.',
		'\\x01\\x1f\\x7f', map { 'x' x $_ } 1 .. 40
	],
	[
		'varchar', 't()',
		'', '1234567\\t',
		'123456789012345\\n', '1234567890123456\\r'
	],
	[ 'char(20)', 'left(t(), 20)', '', 'x' ],
	[
		'json', q{json_build_object(t(), t(), 'n', n())},
		'[1, 2]', '{"a":"\\\\\\\\n"}',
		'null'
	],
	[
		'jsonb',
		q{jsonb_build_object('a', t(), t(), jsonb_build_array(n(), NULL, true, t(), jsonb_build_object('x', f8()), '{}'::jsonb, '[]'::jsonb), 'b', r())},
		'null',
		'true',
		'false',
		'1',
		'-0.0',
		'1e100',
		'"text"',
		'""',
		'[]',
		'{}',
		'[[]]',
		'[{}]',
		'{"a": {}}',
		'{"": ""}',
		'[1, [2, [3, [4, {"a": [5]}]]]]',
		'"\\\\u0001\\\\b\\\\f\\\\n\\\\r\\\\t\\\\\\\\\\\\"/\\\\u001f\\\\u007f"'
	],
	[ 'mood', 'plain' ],
	[ 'macaddr', q{hex(6)::macaddr}, '08:00:2b:01:02:03' ],
	[ 'bit varying', 'bits((random() * 20)::int)::varbit', '', '101' ],
	[ 'point', 'point(f8(), f8())', '(0,-0)' ],
	[ 'box', 'box(point(random(), 1), point(2, random()))' ],
	[
		'int4range',
		'int4range((random() * 100)::int, 100 + (random() * 100)::int)',
		'empty', '[1,5)', '(,)'
	],
	[
		'tsvector',
		'to_tsvector(\'simple\', regexp_replace(t(), E\'[\\x01-\\x1f\\x7f]\', \'\', \'g\'))',
		q{'a ''b':1A}
	],
	[ 'pg_lsn', q{'0/0'::pg_lsn + abs(r())}, '0/0', 'FFFFFFFF/FFFFFFFF' ],
	[ 'regclass', q{'pg_class'::regclass}, '0', '1259' ],);

# Literals as E'' strings: backslashes of the values above are those of such.
sub literal
{
	my ($value, $type) = @_;
	$value =~ s/'/''/g;
	return "E'$value'::$type";
}

if ($version >= 17)
{
	push @{ (grep { $_->[0] eq 'interval' } @types)[0] }, 'infinity',
	  '-infinity';
}

# CREATE and INSERT of a table for a type: edge values, random ones, null; arrays
# of them; domains over both.
sub type_sql
{
	my ($number, $type, $random, @edges) = @_;
	my $table = "t_$number";
	my $values = join ', ', map { '(' . literal($_, $type) . ')' } @edges;
	$random = q{(enum_range(NULL::mood))[1 + (random() * 8)::int]}
	  if $type eq 'mood';
	my $sql = qq{
		CREATE DOMAIN d_$number AS $type;
		CREATE DOMAIN dd_$number AS d_$number;
		CREATE DOMAIN da_$number AS $type\[];
		CREATE TABLE $table (id serial, before text, v $type, d dd_$number, a $type\[], da d_$number\[], ad da_$number, after text);
		-- so that values have all alignments
		INSERT INTO $table (before, v, after) SELECT repeat('x', i % 17), (($random)::text)::$type, NULLIF(i % 3, 0) FROM generate_series(1, $random_rows) i;};
	$sql .=
	  "INSERT INTO $table (before, v) SELECT repeat('y', row_number() OVER ()::int), v FROM (VALUES $values) AS e(v);"
	  if $values;
	$sql .= qq{
		INSERT INTO $table (before, v) VALUES (NULL, NULL);
		UPDATE $table SET d = v;
		INSERT INTO $table (before, a) SELECT 'all', array_agg(v ORDER BY id) FROM $table;
		INSERT INTO $table (before, a) SELECT repeat('x', id % 17), ARRAY[v, NULL, v] FROM $table WHERE a IS NULL AND id % 3 = 0;
		INSERT INTO $table (before, a) VALUES ('empty', '{}'), ('null', '{NULL}');
		INSERT INTO $table (before, a) SELECT 'dims', array_fill(v, ARRAY[2, 1, 3], ARRAY[-5, 0, 1]) FROM $table WHERE v IS NOT NULL LIMIT 3;
		INSERT INTO $table (before, a) SELECT 'dims', ARRAY[[v, v], [NULL, v]] FROM $table WHERE v IS NOT NULL LIMIT 3;
		UPDATE $table SET da = a::text::d_$number\[], ad = a;};
	return $sql;
}

# Tables that are about rows, not types
my $tables = q{
	CREATE TABLE dropped (a int, b text, c int8, d text NOT NULL);
	INSERT INTO dropped SELECT i, repeat('b', i), i, 'd' FROM generate_series(1, 50) i;
	ALTER TABLE dropped DROP b, ADD e text DEFAULT E'e\\t', ADD f numeric DEFAULT 1.50, ADD g int DEFAULT -1, ADD h int[] DEFAULT '{1,NULL}',
		ADD i timestamptz DEFAULT '2020-06-01 00:00+00', ADD j uuid DEFAULT '01234567-89ab-cdef-0123-456789abcdef', ADD k int;
	ALTER TABLE dropped DROP c;
	INSERT INTO dropped (a, d, e) SELECT i, 'new', NULL FROM generate_series(1, 50) i;
	CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
	INSERT INTO generated (a, c) SELECT i, repeat('c', i) FROM generate_series(1, 50) i;
	CREATE TABLE vectors AS SELECT '1 2 -3'::int2vector AS i, ''::oidvector AS o;
	CREATE TABLE none ();
	INSERT INTO none DEFAULT VALUES;
	CREATE TABLE all_dropped (a int, b int);
	INSERT INTO all_dropped VALUES (1, 2), (3, 4);
	ALTER TABLE all_dropped DROP a, DROP b;
	CREATE TYPE pair AS (a int, b text);
	CREATE TABLE composite AS SELECT ROW(i, t())::pair AS p, ARRAY[ROW(i, t())::pair, NULL] AS a FROM generate_series(1, 50) i;

	-- in line, compressed in line, compressed and not out of line; longer than any buffer
	CREATE TABLE long (id int, t text, b bytea, j jsonb, a text[], n numeric[], i int[]);
	ALTER TABLE long ALTER t SET STORAGE external, ALTER b SET STORAGE external;
	INSERT INTO long SELECT i, repeat(t() || 'x', i * i / 10), decode(repeat(hex(10) || '00', i * i / 10), 'hex'),
		(SELECT jsonb_agg(jsonb_build_object(t(), n(), 'k' || j, t())) FROM generate_series(1, i * 3) j),
		(SELECT array_agg(t()) FROM generate_series(1, i * 3)), (SELECT array_agg(n()) FROM generate_series(1, i * 3)),
		(SELECT array_agg(nullif(j % 5, 0)) FROM generate_series(1, i * i) j)
		FROM generate_series(1, 100) i;
	INSERT INTO long (id, t) VALUES (-1, repeat(E'\\\\\\t', 1000000)), (-2, repeat('x', 2097152)), (-3, repeat(E'1234567890123456789\\n', 100000));
	INSERT INTO long (id, j) SELECT -4, jsonb_build_array(repeat(E'"\\x01\\\\', 300000), repeat('x', 2000000), 1e10000);
	INSERT INTO long (id, i, n) SELECT -5, array_fill(NULL::int, ARRAY[500000]), array_fill(1e131071, ARRAY[20]);
	INSERT INTO long (id, a) SELECT -6, array_fill(repeat(E'"\\\\', 1000), ARRAY[500]);
	-- text that is a lot longer than what is in the page
	CREATE TABLE wide (n1 numeric, n2 numeric, a int[], j jsonb, b bytea);
	ALTER TABLE wide ALTER b SET STORAGE plain, ALTER a SET STORAGE plain, ALTER j SET STORAGE plain;
	INSERT INTO wide SELECT 1e131071, -1e-16383, array_fill(NULL::int, ARRAY[10000]), jsonb_build_array(repeat(E'\\x01', 2000), -1e131071), decode(repeat('0f', 2000), 'hex')
		FROM generate_series(1, 20);
	-- a row of a whole page
	CREATE TABLE page (t text);
	ALTER TABLE page ALTER t SET STORAGE plain;
	INSERT INTO page SELECT repeat(E'\\\\', 8120 - i) FROM generate_series(1, 100) i;
	-- many columns, many of them null
	SELECT 'CREATE TABLE many (' || string_agg(format('c%s %s', i, (ARRAY['int', 'text', 'numeric', 'timestamp', '"char"', 'bool', 'float8'])[1 + i % 7]), ', ') || ')'
		FROM generate_series(1, 1000) i \gexec
	SELECT format('INSERT INTO many (c%s, c%s, c%s) VALUES (1, ''x'', 3)', i * 7, i * 7 + 1, i * 7 + 2) FROM generate_series(1, 140) i \gexec};

# [ encoding, time zone, text in that encoding (as UTF-8) ]
my @databases = (
	[ 'UTF8', 'Europe/Amsterdam', "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x90\x98" ],
	[ 'LATIN1', 'America/St_Johns', "\xc3\xa9\xc3\xbf\xc2\xa0" ],
	[ 'EUC_JP', 'Africa/Monrovia', "\xe6\xbc\xa2\xe5\xad\x97\xef\xbd\xb1" ]);

foreach my $case (@databases)
{
	my ($encoding, $zone, $text) = @$case;
	my $db = lc $encoding;
	my $number = 0;
	my $types = join '', map { type_sql($number++, @$_) } @types;
	create_db($node, $db, options => "ENCODING '$encoding' LOCALE 'C'");
	$node->safe_psql('postgres', "ALTER DATABASE $db SET timezone = '$zone'");
	$node->safe_psql(
		$db, qq{SET client_encoding = 'UTF8';
		SELECT setseed(0.5);
		$helpers $types $tables
		CREATE TABLE characters AS SELECT i, repeat('a', i) || '$text' || E'\\t' || '$text' AS t, ARRAY['$text', t(), '$text '] AS a,
			jsonb_build_object('$text', '$text' || repeat(' ', i) || t()) AS j FROM generate_series(0, 40) i;
		-- through all changes of the zone's offset
		CREATE TABLE zone AS SELECT t FROM generate_series(timestamptz '1880-01-01 00:00+00', '2060-01-01', '10 hours 59.5 seconds') t;}
	);

	my $backup = backup_ok($node, $db, name => "$encoding, $zone");
	data_files_equal($node, $db, $backup, "$encoding, $zone");

	# what is not compressed takes another way
	next if $encoding ne 'UTF8';
	$backup = backup_ok(
		$node, $db,
		compression => 'none',
		jobs => 1,
		name => "$encoding, not compressed");
	data_files_equal($node, $db, $backup, "$encoding, not compressed");
}

# Labels of enums are those of the snapshot.
create_db(
	$node, 'labels', sql => q{
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	CREATE TABLE labels AS SELECT 'sad'::mood AS a, ARRAY['sad', 'ok']::mood[] AS b;}
);
hold_pg_dump($node);
my $id = start_backup($node, 'labels', destination => 'labels');
wait_held($node);
$node->safe_psql('labels',
	q{ALTER TYPE mood RENAME VALUE 'sad' TO 'happy'; ALTER TYPE mood ADD VALUE 'new' BEFORE 'ok'}
);
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'a backup beside ALTER TYPE');
like(archive_text($node, history($node, $id, 'destination')),
	qr/^sad\t\{sad,ok\}$/m, 'labels of enums are as of the snapshot');

# Damaged values, as they come from a bit that has changed.  What COPY writes is
# in the backup, and what it refuses makes the backup fail.
create_db(
	$node, 'damaged', sql => q{
	CREATE CAST (int8 AS time) WITHOUT FUNCTION;
	CREATE CAST (int8 AS timestamp) WITHOUT FUNCTION;
	CREATE CAST (int8 AS timestamptz) WITHOUT FUNCTION;
	CREATE CAST (int4 AS date) WITHOUT FUNCTION;
	CREATE CAST (bytea AS numeric) WITHOUT FUNCTION;
	CREATE CAST (bytea AS inet) WITHOUT FUNCTION;
	CREATE TABLE written AS SELECT i,
		(-9000000000000000000 + i)::int8::time AS a, (86400000001 + i)::int8::time AS b,
		ARRAY[(-1 - i)::int8::time, '10:00'] AS c,
		(-100000000 - i)::date AS d, decode('8080ff7f0100ff7f', 'hex')::numeric AS e,
		ARRAY[decode('8080ff7f0100ff7f', 'hex')::numeric, 1.5] AS f,
		decode('00e0', 'hex')::numeric AS g
		FROM generate_series(1, 10) i;
	CREATE TABLE inet AS SELECT decode('02ff01020304', 'hex')::inet AS a;
	CREATE TABLE inet_family AS SELECT decode('092001020304', 'hex')::inet AS a;
	CREATE TABLE stamp AS SELECT (-9223372036854775000)::int8::timestamp AS a;
	CREATE TABLE stamptz AS SELECT ARRAY[(-9223372036854775000)::int8::timestamptz] AS a;}
);
my $written = backup_ok(
	$node, 'damaged',
	include => ['written'],
	name => 'damaged values');
my $text = archive_text($node, $written);
foreach my $row (split /\n/,
	$node->safe_psql('damaged', 'COPY (SELECT * FROM written) TO stdout'))
{
	ok($text =~ /^\Q$row\E$/m, 'damaged values are written as by COPY')
	  or diag($row);
}
foreach my $table (qw(inet inet_family stamp stamptz))
{
	my ($rc, $out, $err) = $node->psql('damaged', "COPY $table TO stdout");
	my ($message) = $err =~ /ERROR:  (.*)/;
	ok($message, "COPY refuses $table");
	my $id = start_backup($node, 'damaged', include => [$table]);
	is(wait_backup($node, $id), 'failed', "$table: fails");
	like(history($node, $id, 'error'),
		qr/^\Q$message\E/, "$table: the same error");
}

# A line pointer that leads out of its page
my $path = $node->data_dir . '/'
  . $node->safe_psql('damaged', q{SELECT pg_relation_filepath('inet')});
$node->stop;
# with checksums, the default since 18, that would be noticed before
system_or_bail('pg_checksums', '--disable', '-D', $node->data_dir)
  if major($node) >= 18;
open my $page, '+<:raw', $path or die $!;
sysseek $page, 24, 0;
sysread $page, my $pointer, 4;
sysseek $page, 24, 0;
syswrite $page, pack('L', unpack('L', $pointer) | 0x7fff << 17);
close $page;
$node->start;
$id = start_backup($node, 'damaged', include => ['inet']);
is(wait_backup($node, $id), 'failed', 'a row beyond its page: fails');
like(
	history($node, $id, 'error'),
	qr/^row with ctid \(0,1\) of table "inet" is not within its page/,
	'a row beyond its page: error');

# Types of other names, with other delimiters; and what is very deep
create_db(
	$node, 'odd', sql => q{
	CREATE TYPE nu;
	CREATE FUNCTION nu_in(cstring, oid, int4) RETURNS nu LANGUAGE internal IMMUTABLE STRICT AS 'numeric_in';
	CREATE FUNCTION nu_out(nu) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'numeric_out';
	CREATE TYPE nu (INPUT = nu_in, OUTPUT = nu_out, LIKE = numeric, DELIMITER = '.');
	CREATE TABLE nus AS SELECT '{"1.5".2}'::nu[] AS a;
	CREATE TABLE deep AS SELECT (repeat('[1, {"a": ', 1500) || '2' || repeat('}]', 1500))::jsonb AS a;}
);
my $odd = backup_ok($node, 'odd', name => 'odd types');
data_files_equal($node, 'odd', $odd, 'odd types');

$node->stop;
done_testing();
