
# Databases in other encodings than UTF8: nothing is converted on the way.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');

# Text of the files is UTF-8; the server converts it.
foreach my $case (
	[ 'LATIN1', "\xc3\xa9\xc3\xbf\xc3\x9f \xc2\xa0 \xc3\xb7" ],
	[ 'LATIN9', "\xe2\x82\xac\xc5\x93" ],
	[ 'EUC_JP', "\xe6\xbc\xa2\xe5\xad\x97\xe8\xa1\xa8\xef\xbd\xb1" ],
	[ 'WIN1251', "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" ])
{
	my ($encoding, $text) = @$case;
	my $db = lc "db_$encoding";
	create_db(
		$node, $db,
		options => "ENCODING '$encoding' LOCALE 'C'",
		sql => qq{SET client_encoding = 'UTF8';
			CREATE TABLE "t $text" (id int, "c $text" text);
			COMMENT ON TABLE "t $text" IS '$text';
			CREATE TYPE e AS ENUM ('$text');
			CREATE FUNCTION f() RETURNS text LANGUAGE sql AS \$\$SELECT '$text'::text\$\$;
			INSERT INTO "t $text" VALUES (1, '$text'), (2, E'\\t$text\\\\\\n'), (3, repeat('$text', 3000)), (4, NULL);
			CREATE TABLE enums AS SELECT '$text'::e AS e, ARRAY['$text', ''] AS a, ROW('$text')::text AS r;
			CREATE TABLE lengths AS SELECT i, repeat('a', i) || '$text' || E'\\n' || '$text' AS t FROM generate_series(0, 20) i;}
	);
	is($node->safe_psql($db, 'SHOW server_encoding'),
		$encoding, "database is in $encoding");
	my $backup = backup_ok($node, $db, name => "backup in $encoding");
	data_files_equal($node, $db, $backup, $encoding);
	$node->safe_psql('postgres',
		"CREATE DATABASE ${db}_r TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'"
	);
	restore_ok($node, $backup, "${db}_r", '-e');
	same_dump($node, "${db}_r", $db, "$encoding: same dump");

	# the archive says what it is in, so it goes into another encoding, too
	restore_ok($node, $backup, "${db}_utf8", '-e', '-j', '2');
	is( $node->safe_psql(
			"${db}_utf8", qq{SET client_encoding = 'UTF8';
			SELECT "c $text" = '$text' FROM "t $text" WHERE id = 1}),
		't',
		"$encoding: restored into UTF8");
}

# SQL_ASCII: any bytes but zero, in no encoding
create_db(
	$node, 'db_ascii',
	options => "ENCODING 'SQL_ASCII' LOCALE 'C'",
	sql => qq{CREATE TABLE "t \xff\xfe" (id int, t text);
		INSERT INTO "t \xff\xfe" VALUES (1, E'\\xff\\xfe\\\\\\n\\x80'), (2, '\xc3\xa9'), (3, E'\\xc3'), (4, repeat(E'\\xff', 5000));
		INSERT INTO "t \xff\xfe" SELECT i, set_byte('x', 0, i)::text FROM generate_series(1, 255) i;
		INSERT INTO "t \xff\xfe" SELECT i, repeat('a', i % 9) || chr(i) || chr(i) || E'\\n' FROM generate_series(1, 255) i;}
);
my $backup = backup_ok($node, 'db_ascii', name => 'backup in SQL_ASCII');
data_files_equal($node, 'db_ascii', $backup, 'SQL_ASCII');
$node->safe_psql('postgres',
	"CREATE DATABASE db_ascii_r TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
);
restore_ok($node, $backup, 'db_ascii_r', '-e');
same_dump($node, 'db_ascii_r', 'db_ascii', 'SQL_ASCII: same dump');

# A database whose name needs care
my $name = "Ünï \"q\" 'db' = x/y";
create_db($node, $name, sql => 'CREATE TABLE t AS SELECT 1 AS a');
$backup = backup_ok($node, $name, name => 'odd database name');
restore_ok($node, $backup, 'odd', '-e');
is($node->safe_psql('odd', 'SELECT a FROM t'),
	'1', 'odd database name: restored');

$node->stop;
done_testing();
