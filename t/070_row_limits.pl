
# What COPY FROM would refuse at restore is not written: the backup fails, and
# tells which row of which table.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "max_wal_size = 4GB\n");
my $million = '1000 * 1000';

# A backup of one table of the database must fail with an error that names the
# row, and the reason.
sub table_fails
{
	my ($db, $table, $ctid, $detail) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $id = start_backup(
		$node, $db,
		include => [$table],
		destination => "fails-$db-$table");
	my $row =
	  quotemeta "row with ctid $ctid of table \"$table\" could not be";
	backup_fails($node, $id, qr/$row.*$detail.*table "public\.$table"/s,
		$table);
	return;
}

# Long text is compressed, and so takes next to no space.
create_db(
	$node, 'big', sql => qq{
	-- every byte takes two in the text
	CREATE TABLE backslashes (id int, t text);
	INSERT INTO backslashes VALUES (1, 'before');
	INSERT INTO backslashes VALUES (2, repeat('\\', 540 * $million));
	-- one value at a time is no problem, and is how such rows come to be
	CREATE TABLE six (id int, a text, b text, c text, d text, e text, f text);
	INSERT INTO six (id, a) VALUES (1, repeat('0123456789', 20 * $million));
	UPDATE six SET b = a, c = a, d = a, e = a, f = a;
	});
table_fails('big', 'backslashes', '(0,2)',
	'longer than the 1073741822 bytes');
table_fails('big', 'six', '(0,2)', 'Decompressed it has 12000\d{5} bytes');

# Bytes that are not text, as they may be in a database that has come a long way
my $raw = q{CREATE CAST (bytea AS text) WITHOUT FUNCTION;
	CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE sql AS 'SELECT $1::text';};
create_db(
	$node, 'utf8', sql => qq{$raw
	CREATE TABLE invalid (id int, t text);
	INSERT INTO invalid SELECT i, 'fine \xc3\xa9' FROM generate_series(1, 5) i;
	INSERT INTO invalid VALUES (6, raw('\\xc3'));
	CREATE TABLE long (t text);
	INSERT INTO long VALUES (repeat('\xc3\xa9', 1000000)), (repeat('x', 100000) || raw('\\xff'));
	CREATE TABLE nested (t text[]);
	INSERT INTO nested VALUES (ARRAY['a', raw('\\xe9')]);
	CREATE TABLE null_byte (t varchar);
	INSERT INTO null_byte VALUES ('a'), (raw('\\x610062')::varchar);
	CREATE TABLE valid (id int, t text, u text[]);
	INSERT INTO valid SELECT i, repeat('a', i % 40) || '\xc3\xa9' || repeat('\xe2\x82\xac', i % 1999), ARRAY['\xf0\x9f\x90\x98'] FROM generate_series(1, 4000) i;}
);
table_fails(
	'utf8', 'invalid',
	'(0,6)', 'Column "t" has text that is not valid in encoding UTF8');
table_fails('utf8', 'long', '(0,2)', 'Column "t" has text that is not valid');
table_fails('utf8', 'nested', '(0,1)',
	'Column "t" has text that is not valid');
table_fails('utf8', 'null_byte', '(0,2)',
	'Column "t" has text with a null byte');

# what is valid is no worse for that
my $archive = backup_ok($node, 'utf8',
	exclude => [ 'invalid', 'long', 'nested', 'null_byte' ]);
restore_ok($node, $archive, 'utf8_restored', '-e', '-t', 'valid');
is( $node->safe_psql(
		'utf8_restored',
		'SELECT count(*), md5(string_agg(v::text, NULL ORDER BY id)) FROM valid v'
	),
	$node->safe_psql(
		'utf8',
		'SELECT count(*), md5(string_agg(v::text, NULL ORDER BY id)) FROM valid v'
	),
	'valid text is restored');

# Encodings of one byte, and none, have nothing but the null byte to refuse.
create_db(
	$node, 'latin1',
	options => "ENCODING 'LATIN1' LOCALE 'C'",
	sql => qq{$raw
	CREATE TABLE any_bytes AS SELECT raw(decode(string_agg(lpad(to_hex(i), 2, '0'), NULL), 'hex')) AS t FROM generate_series(1, 255) i;
	CREATE TABLE null_byte AS SELECT raw('\\x00') AS t;});
table_fails('latin1', 'null_byte', '(0,1)',
	'Column "t" has text with a null byte');
$archive = backup_ok($node, 'latin1', exclude => ['null_byte']);
$node->safe_psql('postgres',
	q{CREATE DATABASE latin1_restored TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'}
);
restore_ok($node, $archive, 'latin1_restored', '-e', '-t', 'any_bytes');
is( $node->safe_psql('latin1_restored', 'SELECT md5(t) FROM any_bytes'),
	$node->safe_psql('latin1', 'SELECT md5(t) FROM any_bytes'),
	'all bytes are restored');

$node->stop;
done_testing();
