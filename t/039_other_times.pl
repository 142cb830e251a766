
# Preserved files on record after a recovery to a point in time that has cut off their
# transactions, and when transaction numbers have come round.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node(
	'main',
	start => 0,
	conf => "autovacuum = off\nmax_wal_senders = 2\n");
$node->enable_archiving;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');
my @tables = qw(committed aborted);

sub make_tables
{
	$node->safe_psql(
		'db',
		join ';',
		map {
			"DROP TABLE IF EXISTS $_; CREATE TABLE $_ AS SELECT i, -i AS j FROM generate_series(1, 1000) i"
		} @tables);
	return;
}
create_db($node, 'db');
make_tables();
$node->backup('base');

# Makes records of two transactions, one that commits and one that rolls back.  With
# a name they end when the backup has ended, so that no sweep comes by.  Returns
# their IDs.
sub make_records
{
	my ($late) = @_;
	hold_pg_dump($node);
	my $id = start_backup($node, 'db');
	my @xids = map {
		$node->safe_psql('db',
			"BEGIN; TRUNCATE $_; SELECT pg_current_xact_id(); PREPARE TRANSACTION '$_'"
		)
	} @tables;
	my $end = sub {
		$node->safe_psql('db', $_)
		  for q{COMMIT PREPARED 'committed'}, q{ROLLBACK PREPARED 'aborted'};
	};
	$end->() unless $late;
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', 'a backup')
	  or diag(history($node, $id, 'error'));
	$end->() if $late;
	return @xids;
}

sub rows
{
	my ($server) = @_;
	return $server->safe_psql('db',
		'SELECT (SELECT count(*) FROM committed), (SELECT count(*) FROM aborted)'
	);
}

sub no_records
{
	my ($server, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $query = 'SELECT count(*) = 0 FROM backup_preserved_files';
	$server->poll_query_until('db', $query)
	  or
	  diag($server->safe_psql('db', 'SELECT * FROM backup_preserved_files'));
	is($server->safe_psql('db', $query), 't', "$name: no record is left");
	no_orphans($server, "$name: nor is any file", 'db');
	return;
}

my $from = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
my ($committed, $aborted) = make_records();
is(rows($node), '0|1000', 'one has truncated its table, the other has not');
no_records($node, 'here');

# The commit that unlinks the file is a sweep's.  Before that, the record says so.
my $to = $node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my ($wal) = run_command(
	[
		'pg_waldump', '-r', 'Transaction', '-p', $node->data_dir . '/pg_wal',
		'-s', $from, '-e', $to
	]);
my ($sweeper) =
  grep { $_ > $aborted } $wal =~ /tx: +(\d+),.* desc: COMMIT .*; rels: /g;
ok($sweeper, 'a sweep has unlinked files');

# A server that is restored to the moment before or after the end of a transaction
sub restore_to
{
	my ($name, $xid, $inclusive) = @_;
	my $server = PostgreSQL::Test::Cluster->new($name);
	$server->init_from_backup(
		$node, 'base',
		has_restoring => 1,
		standby => 0);
	$server->append_conf(
		'postgresql.conf', qq{
archive_mode = off
recovery_target_xid = '$xid'
recovery_target_inclusive = $inclusive
recovery_target_action = 'promote'
});
	$server->start;
	$server->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'still in recovery';
	return $server;
}

foreach my $case (
	[ 'before_commit', $committed, 'off', '1000|1000', 2 ],
	[ 'after_commit', $committed, 'on', '0|1000', 1 ],
	[ 'after_abort', $aborted, 'on', '0|1000', 0 ],
	[ 'before_unlinking', $sweeper, 'off', '0|1000', 0 ],
	[ 'after_unlinking', $sweeper, 'on', '0|1000', 0 ])
{
	my ($name, $xid, $inclusive, $rows, $prepared) = @$case;
	my $server = restore_to($name, $xid, $inclusive);
	my $open = $server->safe_psql('db',
		q{SELECT string_agg(gid, ' ') FROM pg_prepared_xacts});
	is(scalar(split ' ', $open), $prepared, "$name: prepared transactions");
	$server->safe_psql('db', "ROLLBACK PREPARED '$_'") for split ' ', $open;
	# what has waited for these goes with the next start
	$server->restart if $prepared > 0;
	no_records($server, $name);
	is(rows($server), $rows, "$name: tables are as they were then");
	$server->stop;
}

$node->stop;

# Transactions of an earlier epoch are not those that have their numbers now.
$node = new_node('numbers', conf => "autovacuum = off\n");
create_db($node, 'db');
make_tables();
my $path =
  $node->safe_psql('db', q{SELECT pg_relation_filepath('committed')});
make_records('late');
$node->stop;
system_or_bail('pg_resetwal', '-e', '1', '-D', $node->data_dir);
$node->start;
my $known =
  q{SELECT string_agg(path || ' ' || outcome, ', ') FROM backup_preserved_files};
$node->poll_query_until('db', $known, "$path unknown")
  or diag($node->safe_psql('db', $known));
is( $node->safe_psql('db', $known),
	"$path unknown",
	'epoch: of one nobody knows how it ended');
ok(-s $node->data_dir . "/$path", 'epoch: its file stays');
is(rows($node), '0|1000', 'epoch: the tables are as they were');
$node->stop;
unlink $node->data_dir . "/$path";
$node->start;
no_records($node, 'epoch, the file is removed');

# An epoch ends between a transaction and the sweep.  There are only so many numbers
# that may be left out at once, and what is in use must be frozen before.
$node->safe_psql('postgres',
	'ALTER DATABASE template0 ALLOW_CONNECTIONS true');
foreach my $xid (1_500_000_000, 3_000_000_000, 4_294_967_000)
{
	$node->stop;
	append_to_file($node->data_dir . sprintf('/pg_xact/%04X', $xid / 1048576),
		"\0" x 262144);
	system_or_bail('pg_resetwal', '-x', $xid, '-D', $node->data_dir);
	$node->start;
	local %ENV = $node->_get_env;
	system_or_bail('vacuumdb', '--all', '--freeze', '--quiet');
}
make_tables();
make_records('late');
my $number =
  q{SELECT pg_current_xact_id()::text::numeric >= 2 * 2::numeric ^ 32};
is($node->safe_psql('db', $number), 'f', 'wraparound: before');
$node->safe_psql('db',
	'DO $$BEGIN FOR i IN 1 .. 300 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END$$'
);
is($node->safe_psql('db', $number), 't', 'wraparound: after');
$node->restart;
no_records($node, 'wraparound');
is(rows($node), '0|1000', 'wraparound: the tables are as they were');
# one backup for which the commit log is held meanwhile
make_records();
is(rows($node), '0|1000', 'wraparound: and with another backup');
no_records($node, 'wraparound, another backup');
$node->stop;
done_testing();
