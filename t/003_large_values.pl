
# Large values and wide rows.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "max_wal_size = 4GB\n");

create_db(
	$node, 'large', sql => q{
	-- Compressed in the table, which keeps it affordable.  The text has no byte
	-- to escape: a value's text must stay below 1 GB.
	CREATE TABLE huge (id int, t text);
	INSERT INTO huge VALUES (1, 'before');
	INSERT INTO huge VALUES (2, repeat('0123456789abcdefghijklmnopqrst', 10 * 1000 * 1000));
	INSERT INTO huge VALUES (3, 'after');
	CREATE TABLE bytes (id int, b bytea);
	INSERT INTO bytes VALUES (1, decode(repeat('5c000aff', 10 * 1000 * 1000), 'hex'));
	CREATE TABLE external (id int, t text);
	ALTER TABLE external ALTER t SET STORAGE external;
	INSERT INTO external SELECT i, repeat(md5(i::text) || E'\\\\\t', 200000 * i) FROM generate_series(1, 3) i;
	-- many values that all have to be fetched for one row
	CREATE TABLE wide (id int);
	DO $$ BEGIN
		EXECUTE (SELECT 'ALTER TABLE wide ' || string_agg('ADD t' || i || ' text', ', ') FROM generate_series(1, 200) i);
		EXECUTE (SELECT 'INSERT INTO wide SELECT r, ' || string_agg(format($f$repeat(md5((r + %s)::text), 500) || E'\n\\\\'$f$, i), ', ') || ' FROM generate_series(1, 5) r' FROM generate_series(1, 200) i);
	END $$;
	SELECT lo_from_bytea(1, decode(repeat('00ff5c0a', 5 * 1000 * 1000), 'hex'));
});
is($node->safe_psql('large', 'SELECT length(t) FROM huge WHERE id = 2'),
	'300000000', 'there is a field of 300 MB');

my $sums = q{SELECT 'huge', id, length(t), md5(t) FROM huge
	UNION ALL SELECT 'bytes', id, length(b), md5(b) FROM bytes
	UNION ALL SELECT 'external', id, length(t), md5(t) FROM external
	UNION ALL SELECT 'wide', id, length(w::text), md5(w::text) FROM wide w
	UNION ALL SELECT 'large object', 1, length(lo_get(1)), md5(lo_get(1)) ORDER BY 1, 2};
my $expected = $node->safe_psql('large', $sums);

my $backup = backup_ok($node, 'large');
data_files_equal($node, 'large', $backup, 'large values');
$node->command_ok([ verify_command($node, $backup) ], 'pg_verifybackup');
restore_ok($node, $backup, 'restored', '-e', '-j', '2');
is($node->safe_psql('restored', $sums),
	$expected, 'restored values are the same');

$node->stop;
done_testing();
