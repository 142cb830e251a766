
# What is done to a database as a whole, while files in it are preserved, and
# when some are left of an earlier backup.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
my $tables = q{
	CREATE TABLE t AS SELECT i, repeat('x', 200) AS v FROM generate_series(1, 5000) i;
	CREATE TABLE u AS TABLE t;
	CREATE TABLE e TABLESPACE elsewhere AS TABLE t};

# Number of files of a database, by OID.
sub files_of
{
	my ($oid) = @_;
	my $data = $node->data_dir;
	my @files = map { glob("$_/*") } "$data/base/$oid",
	  glob("$data/pg_tblspc/*/PG_*/$oid");
	return scalar @files;
}

# DROP DATABASE ... WITH (FORCE) ends a backup in any phase, and does not wait
# until that has cleaned up behind itself.
foreach my $phase ('starting', 'schema', 'copying')
{
	create_db($node, 'forced', sql => $tables);
	my $oid = $node->safe_psql('postgres',
		q{SELECT oid FROM pg_database WHERE datname = 'forced'});
	my ($id, $caller);
	hold_pg_dump($node, $phase eq 'starting') if $phase ne 'copying';
	if ($phase eq 'starting')
	{
		($id, $caller) = start_in_background($node, 'forced',
			{ destination => "forced-$phase" });
		wait_held($node);
	}
	else
	{
		$id = start_backup(
			$node, 'forced',
			destination => "forced-$phase",
			jobs => 1,
			max_rate => '50kB');
	}
	is(progress($node, $id, 'phase'), $phase, "$phase: it is in that phase")
	  if $phase ne 'copying';
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM backup_workers WHERE backup_id = $id AND relation IS NOT NULL"
	  )
	  or die 'no worker reads'
	  if $phase eq 'copying';
	$node->safe_psql('forced', 'TRUNCATE t, u, e');
	isnt(
		$node->safe_psql(
			'forced', 'SELECT count(*) FROM backup_preserved_files'),
		'0',
		"$phase: files are preserved");
	my ($ret, $out, $err) =
	  $node->psql('postgres', 'DROP DATABASE forced WITH (FORCE)');
	is("$ret $err", '0 ', "$phase: DROP DATABASE WITH (FORCE)");
	eval { $caller->quit } if $caller;
	is(wait_backup($node, $id), 'failed', "$phase: the backup has failed")
	  if $phase ne 'starting';
	release_pg_dump($node);
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'backup_bgw%'}
	) or die 'a background worker does not end';
	$node->safe_psql('postgres', 'CHECKPOINT');
	is(files_of($oid), 0, "$phase: no file is left");
	is(ls_backups($node), '', "$phase: nor is anything of the archive");
}

# Files are left of a transaction that was prepared during a backup and is
# committed after it.
sub leave_files
{
	my ($db) = @_;
	create_db($node, $db, sql => $tables);
	hold_pg_dump($node);
	my $id = start_backup($node, $db, destination => "left-$db");
	wait_held($node);
	$node->safe_psql($db,
		qq{BEGIN; TRUNCATE t, e; DROP TABLE u; PREPARE TRANSACTION '$db'});
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "$db: a backup");
	$node->safe_psql($db, "COMMIT PREPARED '$db'");
	is( $node->safe_psql(
			$db,
			q{SELECT count(*) FROM backup_preserved_files WHERE kind IS NULL AND bytes > 8192}
		),
		'3',
		"$db: leaves files");
	return;
}

# Wherever these are, they go when that database is backed up, and those of
# another do not.
sub check_swept
{
	my ($db, $name, @others) = @_;
	is( $node->safe_psql(
			$db,
			'INSERT INTO e VALUES (1); SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM e)'
		),
		'0|1',
		"$name: the database is as it was");
	backup_ok($node, $db, name => "$name: a backup");
	is( $node->safe_psql($db, 'SELECT count(*) FROM backup_preserved_files'),
		'0',
		"$name: nothing is preserved");
	no_orphans($node, "$name: nothing is left", $db);
	is( $node->safe_psql(
			$_,
			q{SELECT count(*) FROM backup_preserved_files WHERE bytes > 8192}
		),
		'3',
		"$name: $_ has its files") for @others;
	return;
}

leave_files('renamed');
$node->safe_psql('postgres', 'ALTER DATABASE renamed RENAME TO other_name');
check_swept('other_name', 'RENAME');

leave_files('moved');
$node->safe_psql('postgres',
		q{CREATE TABLESPACE third LOCATION '}
	  . PostgreSQL::Test::Utils::tempdir()
	  . q{'});
$node->safe_psql('postgres', 'ALTER DATABASE moved SET TABLESPACE third');
check_swept('moved', 'SET TABLESPACE');

leave_files('original');
foreach my $strategy ('WAL_LOG', 'FILE_COPY')
{
	my $copy = lc "copy_$strategy";
	$node->safe_psql('postgres',
		"CREATE DATABASE $copy TEMPLATE original STRATEGY $strategy");
	check_swept($copy, "copy by $strategy", 'original');
	$node->safe_psql('postgres', "DROP DATABASE $copy");
}
$node->safe_psql('postgres',
	'CREATE DATABASE elsewhere_copy TEMPLATE original TABLESPACE third STRATEGY FILE_COPY'
);
check_swept('elsewhere_copy', 'copy to another tablespace', 'original');
check_swept('original', 'the original');

# Background workers go without a word when a database is gone.
unlike(
	slurp_file($node->logfile),
	qr/FATAL:  database .* does not exist|PANIC|TRAP|server process .* was terminated|leaked?\b/,
	'nothing unexpected in the log');
$node->stop;
done_testing();
