
# A file system that blocks keeps a table worker waiting, and nobody else, and so
# does compression that takes long: what the worker reads can meanwhile be altered,
# truncated, vacuumed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use HeldWrites;

my $node = new_node('main', start => 0, conf => "autovacuum = off\n");
start_with_held_writes($node);
$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');

# There are writes in the midst of "t", whose end is empty for VACUUM to cut it
# off, and in the midst of rows of "long".  There VACUUM makes room before the
# row, and so moves the rest of it away.
create_db(
	$node, 'victim', sql => q{
	CREATE FUNCTION noise(n int) RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(md5(concat(n, ' ', i)), '') FROM generate_series(1, 60) i $$;
	CREATE TABLE t (id int PRIMARY KEY, v text);
	ALTER TABLE t ALTER v SET STORAGE plain;
	INSERT INTO t SELECT i, noise(i) FROM generate_series(1, 4000) i;
	CREATE INDEX t_v ON t (left(v, 20));
	DELETE FROM t WHERE id > 3000;
	CREATE TABLE long (id int, v text, w text);
	ALTER TABLE long ALTER v SET STORAGE external, ALTER w SET STORAGE plain;
	INSERT INTO long SELECT i, (SELECT string_agg(noise(j), '') FROM generate_series(i * 1000, i * 1000 + 999) j), repeat(i::text, 500) FROM generate_series(0, 5) i;
	DELETE FROM long WHERE id = 0;});

sub rows
{
	my ($db) = @_;
	return $node->safe_psql($db,
		'SELECT id, md5(v), length(v) FROM t UNION ALL SELECT id, md5(v || w), length(w) FROM long ORDER BY 1, 2'
	);
}
my $expected = rows('victim');

# Each of these must work while the worker that reads the table is held where it
# writes or compresses.  Returns the archive.
sub held_backup
{
	my ($table, $where, $compression, @commands) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $patience = int($PostgreSQL::Test::Utils::timeout_default / 4);

	hold_writes($where);
	my $id = start_backup(
		$node, 'victim',
		jobs => 1,
		include => [$table],
		compression => $compression,
		destination => $table);
	is( held_writer($where),
		$node->safe_psql(
			'postgres',
			"SELECT pid FROM backup_workers WHERE relation = 'public.$table'"
		),
		"$table: its worker is held");
	foreach my $command (@commands)
	{
		local $ENV{PGOPTIONS} =
		  "-c lock_timeout=${patience}s -c statement_timeout=${patience}s";
		my ($ret, $out, $err) = $node->psql('victim', $command);
		is("$ret $err", '0 ', "$table: $command");
	}
	release_writes($where);
	is(wait_backup($node, $id), 'completed', "$table: completed");
	return history($node, $id, 'destination');
}

my $t = held_backup(
	't',
	'',
	'none',
	'VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) t',
	'DROP INDEX CONCURRENTLY t_v',
	'REINDEX TABLE CONCURRENTLY t',
	'ALTER TABLE t ALTER id TYPE bigint',
	'TRUNCATE t',
	'DROP TABLE t');
my $long = held_backup(
	'long', '', 'lz4',
	'VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) long',
	'TRUNCATE long',
	'DROP TABLE long');

restore_ok($node, $_, 'restored', '-e') for ($t, $long);
is(rows('restored'), $expected, 'every row is there, once');

# Compression that takes long: between rows, and in the midst of a row
my $noise =
  q{SELECT string_agg(md5(concat(i, ' ', j)), '') FROM generate_series};
foreach my $compression (built_in($node, qw(lz4:3 zstd gzip)))
{
	foreach my $kind (
		[ 'rows', "$noise(1, 40) j", 3000 ],
		[ 'long', "$noise(1, 40000) j", 3 ])
	{
		my $table = "$kind->[0]_$compression" =~ s/\W/_/gr;
		$node->safe_psql('victim',
			"CREATE TABLE $table AS SELECT i AS id, ($kind->[1]) AS v FROM generate_series(1, $kind->[2]) i"
		);
		my $checksum =
		  "SELECT count(*), md5(string_agg(md5(v), '' ORDER BY id)) FROM $table";
		my $before = $node->safe_psql('victim', $checksum);
		my $archive = held_backup(
			$table,
			'_compression',
			$compression,
			"VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) $table",
			"ALTER TABLE $table ALTER id TYPE bigint",
			"TRUNCATE $table",
			"DROP TABLE $table");
		restore_ok($node, $archive, 'restored', '-e');
		is($node->safe_psql('restored', $checksum),
			$before, "$table: every row is there, once");
	}
}

$node->stop;
done_testing();
