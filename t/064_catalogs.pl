
# Patterns that match system catalogs: as with pg_dump, their rows are in the
# archive.

use strict;
use warnings;
use File::Path ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

foreach my $wal_level (qw(replica logical))
{
	# nobody else is to change catalogs
	my $node = new_node($wal_level,
		conf => "autovacuum = off\nwal_level = $wal_level\n");
	create_db(
		$node, 'db', sql => q{
		CREATE TABLE prices AS SELECT i, i * 1.5 AS price FROM generate_series(1, 100) i;
		CREATE TABLE t AS SELECT 1 AS a;
		CREATE FUNCTION long() RETURNS text LANGUAGE sql AS $$SELECT '}
		  . join('',
			map { chr(97 + ($_ * 7919 + int($_ / 26)) % 26) } 1 .. 20_000)
		  . q{'$$;
		ANALYZE prices;
		CHECKPOINT;});

	foreach my $patterns (
		['p*'],
		$wal_level eq 'logical'
		? ()
		: ( ['*'],
			['pg_class'],
			['t|pg_proc'],
			[ 'pg_authid', 'prices' ],
			[
				'pg_catalog.pg_largeobject*',
				'information_schema.sql_features'
			]))
	{
		my $stock = $node->basedir . '/stock';
		$node->run_log(
			[
				'pg_dump', '-Fd', '-Z0', '--no-sync', '-f', $stock,
				(map { ('-t', $_) } @$patterns), 'db'
			]);
		my $backup = backup_ok(
			$node, 'db',
			include => $patterns,
			name => "$wal_level: @$patterns");
		archives_equal($node, $backup, $stock,
			"$wal_level: @$patterns: as pg_dump's");
		$node->command_ok(
			[ verify_command($node, $backup) ],
			"$wal_level: @$patterns: verifies");
		File::Path::rmtree($stock);
	}

	# While it runs, catalogs get new files, of other sizes and in another order.
	# In pg_class, what VACUUM and the like count is written in place.
	my $rows = sub {
		my ($archive) = @_;
		my @lines = split /\n/, archive_text($node, $archive, '-a');
		foreach (@lines)
		{
			my @columns = split /\t/;
			splice(@columns, 9, 4) if @columns > 32;
			$_ = join("\t", @columns);
		}
		return join "\n", sort @lines;
	};
	my @patterns =
	  qw(pg_class pg_proc pg_authid pg_description pg_attribute pg_statistic t);
	my $stock = $node->basedir . '/stock';
	$node->run_log(
		[
			'pg_dump', '-Fd', '-Z0', '--no-sync', '-f', $stock,
			(map { ('-t', $_) } @patterns), 'db'
		]);
	hold_pg_dump($node);
	my $id = start_backup(
		$node, 'db',
		destination => 'meanwhile',
		include => \@patterns,
		jobs => 1);
	wait_held($node);
	$node->safe_psql(
		'db', q{
		DROP TABLE prices; DROP FUNCTION long;
		DO $$BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE new_%s (a int, b text)', i); END LOOP; END$$;
		CREATE ROLE somebody;
		CLUSTER pg_class USING pg_class_relname_nsp_index;
		VACUUM FULL pg_proc; VACUUM FULL pg_authid; VACUUM FULL pg_description;
		CLUSTER pg_attribute USING pg_attribute_relid_attnam_index; VACUUM FULL pg_statistic;
		TRUNCATE t;});
	release_pg_dump($node);
	is(wait_backup($node, $id),
		'completed', "$wal_level: catalogs rewritten meanwhile")
	  or diag(history($node, $id, 'error'));
	same_text($rows->(backup_dir($node) . '/meanwhile'),
		$rows->($stock), "$wal_level: and all rows are those of the start");

	# The same after the plan was made, which has the catalog's size: rows of the
	# start are now behind that.  The bigger table comes first.
	$node->safe_psql(
		'db',
		q{CREATE TABLE big AS SELECT repeat('x', 100) AS a FROM generate_series(1, 20000) i;
		SELECT lo_from_bytea(0, repeat('y', 3000)::bytea) FROM generate_series(1, 100)}
	);
	$stock = $node->basedir . '/stock2';
	$node->run_log(
		[
			'pg_dump', '-Fd', '-Z0', '--no-sync',
			'-f', $stock, '-t', 'pg_class',
			'-t', 'pg_largeobject', '-t', 'big', 'db'
		]);
	my $worker;
	foreach my $rate (qw(1MB 200kB 40kB))
	{
		$id = start_backup(
			$node, 'db',
			destination => "behind-$rate",
			include => [ 'pg_class', 'pg_largeobject', 'big' ],
			jobs => 1,
			max_rate => $rate);
		$worker = hold_worker($node, $id, 'public.big');
		last if $worker;
	}
	ok($worker, "$wal_level: a worker is held");
	$node->safe_psql(
		'db', q{
		DO $$BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TABLE a_%s (a int, b text)', i); END LOOP; END$$;
		VACUUM FULL pg_largeobject;
		CLUSTER pg_class USING pg_class_relname_nsp_index;});
	release_worker($worker);
	is(wait_backup($node, $id),
		'completed',
		"$wal_level: a catalog rewritten after the plan was made")
	  or diag(history($node, $id, 'error'));
	same_text($rows->(history($node, $id, 'destination')),
		$rows->($stock), "$wal_level: and again all rows are there");
	no_orphans($node, "$wal_level: no orphans", 'db');
	$node->stop;
}

done_testing();
