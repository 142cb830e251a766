
# Preserved files on record that are not what they were: their number is another
# relation's by now, nobody knows the outcome of their transaction any more, their
# tablespace is gone.

use strict;
use warnings;
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $intruder = build_module('intruder');
my $node = new_node('main',
	conf =>
	  "autovacuum = off\nshared_preload_libraries = '$intruder, backup_bgw'\nrestart_after_crash = off\nintruder.kill_at_commit = 'backup_bgw leader'\n"
);
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
create_db($node, 'db');
$node->safe_psql('postgres', 'CREATE ROLE monitor LOGIN IN ROLE pg_monitor');
my $data = $node->data_dir;
my $rows = 'AS SELECT i, -i AS j FROM generate_series(1, 1000) i';
my $n = 0;

sub path_of
{
	my ($table) = @_;
	return $node->safe_psql('db', "SELECT pg_relation_filepath('$table')");
}

sub records
{
	my ($columns) = @_;
	return $node->safe_psql('db',
		"SELECT $columns FROM backup_preserved_files");
}

# Makes records of transactions that end when the backup has ended, so that no sweep
# comes by: [ SQL, 'COMMIT' or 'ROLLBACK' ].
sub make_records
{
	my (@transactions) = @_;
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => 'records-' . ++$n);
	for my $i (0 .. $#transactions)
	{
		$node->safe_psql('db',
			"BEGIN; $transactions[$i][0]; PREPARE TRANSACTION 'p$i'");
	}
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "a backup, with transactions")
	  or diag(history($node, $id, 'error'));
	$node->safe_psql('db', "$transactions[$_][1] PREPARED 'p$_'")
	  for 0 .. $#transactions;
	return;
}

# The server without the library: nobody sweeps.
sub start_without
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$node->start;
	return;
}

sub start_with
{
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '$intruder, backup_bgw'");
	$node->start;
	return;
}

# The next table gets this number; for that there must be no row of the old one.  The
# server is down, and comes up without the library.
sub make_with_number
{
	my ($number, $table, $prepared) = @_;
	start_without();
	$node->safe_psql('db', 'VACUUM pg_class');
	$node->stop;
	$node->command_ok([ 'pg_resetwal', '-o', $number, '-D', $data ],
		"$table: OIDs come round");
	start_without();
	$node->safe_psql('db',
		"BEGIN; CREATE TABLE $table $rows; "
		  . ($prepared ? "PREPARE TRANSACTION '$table'" : 'COMMIT'));
	ok( -e "$data/"
		  . (
			$node->safe_psql('db',
				"SELECT 'base/' || oid FROM pg_database WHERE datname = 'db'")
			  . "/$number"),
		"$table: and the table has the number");
	$node->stop;
	return;
}

sub wait_no_records
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->poll_query_until('db',
		'SELECT count(*) = 0 FROM backup_preserved_files')
	  or diag(records('*'));
	is(records('count(*)'), '0', $name);
	return;
}

# A sweep that is interrupted: it has unlinked the file, but not forgotten it.
# Meanwhile the number is given to another table: once of a transaction that the
# sweep can see, once of one that it cannot.
foreach my $prepared (0, 1)
{
	my $name = $prepared ? 'prepared' : 'committed';
	$node->safe_psql('db', "CREATE TABLE swept $rows");
	my ($number) = path_of('swept') =~ /(\d+)$/;
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => 'killed-' . ++$n);
	$node->safe_psql('db', 'DROP TABLE swept');
	append_to_file("$data/intruder.kill", '');
	my $offset = -s $node->logfile;
	release_pg_dump($node);
	$node->wait_for_log(
		qr/database system is shut down|abnormal database system shutdown/,
		$offset);
	poll_perl(sub { !-e "$data/postmaster.pid" }, 'the server to go');
	$node->_update_pid(0);
	ok(!-e "$data/intruder.kill", "swept, $name: the sweep is interrupted");

	make_with_number($number, "reused_$name", $prepared);
	start_with();
	wait_no_records("swept, $name: the record goes");
	$node->safe_psql('db', "COMMIT PREPARED 'reused_$name'") if $prepared;
	is($node->safe_psql('db', "SELECT count(*) FROM reused_$name"),
		'1000', "swept, $name: the table that has its number stays");
	no_orphans($node, "swept, $name: nothing is left", 'db');
}

# The file was removed by hand, and its number given to another table.
$node->safe_psql('db', "CREATE TABLE removed_$_ $rows") for 1, 2;
my @paths = map { path_of("removed_$_") } 1, 2;
make_records(map { [ "DROP TABLE removed_$_", 'COMMIT' ] } 1, 2);
is( records(q{string_agg(outcome, ' ')}),
	join(' ', ('committed') x records('count(*)')),
	'removed: on record');
$node->stop;
unlink map { glob("$data/$_ $data/${_}_*") } @paths;
make_with_number($paths[0] =~ /(\d+)$/, 'found_committed', 0);
make_with_number($paths[1] =~ /(\d+)$/, 'found_prepared', 1);
start_with();
wait_no_records('removed: the records go');
$node->safe_psql('db', q{COMMIT PREPARED 'found_prepared'});
is( $node->safe_psql(
		'db',
		'SELECT (SELECT count(*) FROM found_committed), (SELECT count(*) FROM found_prepared)'
	),
	'1000|1000',
	'removed: the tables that have their numbers stay');
no_orphans($node, 'removed: nothing is left', 'db');

# Nobody knows any more how the transactions ended.
$node->safe_psql('db', "CREATE TABLE $_ $rows") for qw(gone stays);
$node->safe_psql('db', "CREATE TABLE there TABLESPACE elsewhere $rows");
my ($gone, $there) = map { path_of($_) } qw(gone there);
make_records(
	[ 'DROP TABLE gone', 'COMMIT' ],
	[ 'TRUNCATE stays', 'ROLLBACK' ],
	[ 'DROP TABLE there', 'COMMIT' ]);
$node->safe_psql('postgres', 'CHECKPOINT');
unlink glob("$data/" . dirname($there) . '/*');
$node->safe_psql('postgres', 'DROP TABLESPACE elsewhere');
is( $node->safe_psql(
		'db',
		q{SELECT count(*) > 0, bool_and(outcome = 'committed') FROM backup_preserved_files WHERE tablespace IS NULL},
		extra_params => [ '-U', 'monitor' ]),
	't|t',
	'old: the view shows a file of a tablespace that is gone');
$node->safe_psql('postgres',
	q{UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'}
);
$node->command_ok([ 'vacuumdb', '--all', '--freeze' ],
	'old: pg_xact is truncated');
$node->restart;
$node->poll_query_until('db',
	"SELECT count(*) = count(*) FILTER (WHERE path = '$gone') FROM backup_preserved_files"
) or diag(records('*'));
is(records('path, outcome, backup_id'),
	"$gone|unknown|", 'old: one stays on record');
ok(-s "$data/$gone", 'old: and on disk');
is($node->safe_psql('db', 'SELECT count(*) FROM stays'),
	'1000', 'old: the table that was not truncated is whole');
$node->restart;
backup_ok($node, 'db', name => 'old: a backup, which sweeps again');
my @told = slurp_file($node->logfile) =~
  /file "(.*)", which was preserved for a backup, stays: it is no longer known whether/g;
is("@told", $gone, 'old: the log says so once');
$node->stop;
unlink glob("$data/$gone $data/${gone}_*");
$node->start;
wait_no_records('old: when the file is removed, so is the record');
no_orphans($node, 'old: nothing is left', 'db');

$node->stop;
done_testing();
