
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
done_testing();
