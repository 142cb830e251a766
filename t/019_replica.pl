
# Preserved files on standbys, in base backups, in recovery to a point in time;
# and backups while synchronous replication holds up commits.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $primary = new_node(
	'primary',
	start => 0,
	conf => q{
autovacuum = off
max_wal_senders = 5
wal_keep_size = '256MB'
full_page_writes = off
});
$primary->enable_archiving;
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');
create_db($primary, 'db');
my $n = 0;

sub make_tables
{
	$primary->safe_psql(
		'db', q{
		SET client_min_messages = warning;
		DROP SCHEMA IF EXISTS w CASCADE;
		CREATE SCHEMA w;
		CREATE TABLE w.truncated (id serial, t text);
		ALTER TABLE w.truncated ALTER t SET STORAGE external;
		INSERT INTO w.truncated (t) SELECT repeat(md5(i::text), 100) FROM generate_series(1, 50) i;
		CREATE TABLE w.dropped AS SELECT i, i::text AS t FROM generate_series(1, 500) i;
		CREATE TABLE w.vacuumed AS SELECT * FROM w.dropped;
		CREATE TABLE w.altered AS SELECT * FROM w.dropped;
		CREATE TABLE w.prepared AS SELECT * FROM w.dropped;
		CREATE TABLE w.kept AS SELECT * FROM w.dropped;
		CREATE UNLOGGED TABLE w.unlogged AS SELECT * FROM w.dropped;});
	return;
}

# Each command is a transaction of its own, for VACUUM.
sub change_tables
{
	$primary->safe_psql(
		'db', q{
		BEGIN; TRUNCATE w.truncated RESTART IDENTITY; INSERT INTO w.truncated (t) SELECT 'new' FROM generate_series(1, 10) i; COMMIT;
		DROP TABLE w.dropped;
		VACUUM FULL w.vacuumed;
		ALTER TABLE w.altered ALTER i TYPE bigint;
		TRUNCATE w.unlogged;});
	return;
}

# { path => size } of the files that those commands replace; not of the unlogged
# table, of which only the server it was made on has more than the init fork.
sub files_of
{
	my (@relations) = @_;
	my $list = join ', ', map { "'w.$_'::regclass" } @relations;
	my $paths = $primary->safe_psql(
		'db', qq{
		CHECKPOINT;
		WITH t AS (SELECT oid, reltoastrelid FROM pg_class WHERE oid IN ($list))
		SELECT pg_relation_filepath(oid) FROM t
		UNION ALL SELECT pg_relation_filepath(reltoastrelid) FROM t WHERE reltoastrelid <> 0
		UNION ALL SELECT pg_relation_filepath(indexrelid) FROM pg_index JOIN t ON indrelid = reltoastrelid}
	);
	return { map { $_ => -s $primary->data_dir . "/$_" } split /\n/, $paths };
}

my @changed = qw(truncated truncated_id_seq dropped vacuumed altered);

# They must be there, and whole / must go, in a while.
# Unlinking a file begins with truncating it.  (From 16 on a primary's files may
# be longer than a standby's, by pages yet to be used.)
sub kept
{
	my ($node, $files, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', 'CHECKPOINT');
	is( join(
			' ',
			grep {
				my $size = -s $node->data_dir . "/$_";
				!defined $size || $size == 0 && $files->{$_} > 0
			} sort keys %$files),
		'',
		$name);
	return;
}

sub left
{
	my ($node, $files) = @_;
	$node->safe_psql('postgres', 'CHECKPOINT');
	return join(' ', grep { -e $node->data_dir . "/$_" } sort keys %$files);
}

sub gone
{
	my ($node, $files, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		poll_perl(sub { left($node, $files) eq '' }, $name);
	};
	is(left($node, $files), '', $name);
	return;
}

# Number of registries (registry.c) that the database has.
sub registries
{
	my ($node) = @_;
	my $oid = $node->safe_psql('postgres',
		q{SELECT oid FROM pg_database WHERE datname = 'db'});
	return
	  scalar grep { /^9[7-9]\d\d_/ }
	  slurp_dir($node->data_dir . "/base/$oid");
}

# All rows of permanent tables, and definitions.  Sequences run ahead in the WAL.
sub contents
{
	my ($node) = @_;
	return dump_text($node, 'db', '--no-sync', '--no-unlogged-table-data') =~
	  s/^SELECT pg_catalog\.setval\(.*\n//mgr;
}

# Another server, made of a base backup, with a place of its own for backups
sub new_server
{
	my ($name, $base, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init_from_backup($primary, $base, %opt);
	mkdir backup_dir($node) or die 'could not create a directory';
	my ($dir, $pg_dump) =
	  (backup_dir($node), (`pg_config --bindir` =~ /(.*)/)[0] . '/pg_dump');
	$node->append_conf(
		'postgresql.conf', qq{
backup_bgw.directory = '$dir'
backup_bgw.pg_dump_path = '$pg_dump'
archive_mode = off
});
	return $node;
}

# A server that has left recovery, in the midst of a backup that will never end
# there, must have cleaned up without being asked, and have everything.
sub cleans_up
{
	my ($node, $files, $prepared, $contents, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'still in recovery';
	gone($node, $files, "$name: preserved files are unlinked");
	kept($node, $prepared, "$name: but not those of a prepared transaction");
	is(registries($node), 1, "$name: which are still in the registry");
	$node->safe_psql('db', q{ROLLBACK PREPARED 'prepared'});
	is($node->safe_psql('db', 'SELECT count(*), sum(i) FROM w.prepared'),
		'500|125250', "$name: that is rolled back");
	same_text(contents($node), $contents, "$name: everything is there");
	is($node->safe_psql('db', 'SELECT count(*) FROM w.unlogged'),
		'0', "$name: the unlogged table is empty");
	my $archive = backup_ok($node, 'db', name => "$name: a backup");
	same_text(
		archive_text($node, $archive),
		dump_text($node, 'db'),
		"$name: and it is right");
	no_orphans($node, "$name: nothing is left");
	kept($node, $prepared, "$name: and nothing is lost");
	$node->stop;
	return;
}

$primary->backup('before');
my $standby = new_server('standby', 'before', has_streaming => 1);
$standby->start;

# The standby keeps what the primary keeps, as long as that does.
foreach my $end ('completed', 'cancelled')
{
	make_tables();
	my $files = files_of(@changed);
	hold_pg_dump($primary);
	my $id = start_backup($primary, 'db', destination => 'standby-' . ++$n);
	change_tables();
	$primary->wait_for_catchup($standby);
	kept($primary, $files, "$end: the primary has the files");
	$primary->wait_for_catchup($standby);
	kept($standby, $files, "$end: the standby has them, too");
	is(registries($_), 1, "$end: and the registry") for $primary, $standby;
	same_text(contents($standby), contents($primary),
		"$end: it has the same tables");
	my ($ret, $out, $err) =
	  $standby->psql('db', 'SELECT ' . start_sql(destination => 'none'));
	like(
		$err,
		qr/recovery is in progress/,
		"$end: a backup of the standby is refused");

	if ($end eq 'cancelled')
	{
		$standby->restart;
		kept($standby, $files, "$end: a restarted standby keeps them");
		$primary->safe_psql('postgres', "SELECT cancel_backup($id)");
	}
	release_pg_dump($primary);
	is(wait_backup($primary, $id), $end, "$end: $end");
	gone($primary, $files, "$end: the primary unlinks them");
	no_orphans($primary, "$end: nothing is left on the primary");
	$primary->wait_for_catchup($standby);
	gone($standby, $files, "$end: the standby unlinks them");
	no_orphans($standby, "$end: nothing is left on the standby");
	is(registries($_), 0, "$end: nor is a registry") for $primary, $standby;
	same_text(contents($standby), contents($primary),
		"$end: it still has the same tables");
}

# Servers that go their own way while files are preserved
make_tables();
my $before = dump_text($primary, 'db');
my %files = (
	changed => files_of(@changed),
	prepared => files_of('prepared'),
	kept => files_of('kept'));
hold_pg_dump($primary);
my $id = start_backup($primary, 'db', destination => 'ways');
change_tables();
$primary->safe_psql('db',
	q{BEGIN; DROP TABLE w.prepared; PREPARE TRANSACTION 'prepared'});
$primary->backup('amidst');
$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('amidst')});
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->wait_for_catchup($standby);
kept($_, { map { %{ $files{$_} } } keys %files }, $_->name . ' has the files')
  for $primary, $standby;

$standby->promote;
is(progress($primary, $id, 'phase'),
	'schema', 'the backup on the primary goes on');

# what they all must have; the prepared transaction has its table locked
$primary->safe_psql('db', q{ROLLBACK PREPARED 'prepared'});
my $contents = contents($primary);
release_pg_dump($primary);
is(wait_backup($primary, $id),
	'completed', 'the backup on the primary is completed')
  or diag(history($primary, $id, 'error'));
same_text(archive_text($primary, history($primary, $id, 'destination')),
	$before, 'and is right');
no_orphans($primary, 'nothing is left on the primary');
kept(
	$primary,
	{ map { %{ $files{$_} } } qw(prepared kept) },
	'and nothing is lost');

cleans_up($standby, $files{changed}, $files{prepared}, $contents,
	'promoted standby');

my $copy = new_server('copy', 'amidst');
$copy->start;
cleans_up($copy, $files{changed}, $files{prepared}, $contents, 'base backup');

my $pitr = new_server('pitr', 'before', has_restoring => 1, standby => 0);
$pitr->append_conf(
	'postgresql.conf', qq{
recovery_target_name = 'amidst'
recovery_target_action = 'promote'
});
$pitr->start;
cleans_up($pitr, $files{changed}, $files{prepared}, $contents,
	'point in time');

# A commit that waits for a synchronous standby may have been in flight when the
# guard was armed; it holds up the start of a backup, for so long.
make_tables();
$files{truncated} = files_of('truncated');
$primary->safe_psql('postgres',
	q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$primary->reload;
$primary->poll_query_until('postgres',
	q{SELECT current_setting('synchronous_standby_names') = 'nobody'})
  or die;
my $session = new_session($primary, 'db');
my $hung = session_query($session, 'SELECT pg_backend_pid()');
$session->query_until(qr/^hangs$/m,
	"\\echo hangs\nTRUNCATE w.truncated;\n\\echo done\n");
$primary->poll_query_until('postgres',
	"SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $hung")
  or die 'the commit does not hang';
start_fails(
	$primary,
	'db',
	{ destination => 'hung' },
	'55P03',
	qr/timed out waiting for the process with PID $hung to commit.*synchronous standby.*backup_bgw\.commit_timeout/s,
	'a commit in flight',
	set => [q{backup_bgw.commit_timeout = '1s'}]);
is(registries($primary), 0, 'no registry is left');

# With more time it starts when the commit has ended.
my $starter = new_session($primary, 'db');
$starter->query_until(qr/^starts$/m,
		"\\echo starts\nSELECT 'id ' || "
	  . start_sql(destination => 'patient')
	  . ";\n\\echo done\n");
$primary->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM backup_progress WHERE phase = 'starting' AND pid IS NOT NULL}
) or die 'no backup starts';
$primary->safe_psql('postgres',
	q{ALTER SYSTEM RESET synchronous_standby_names});
$primary->reload;
$session->query_until(qr/^done$/m, '');
$starter->query_until(qr/^done$/m, '');
$_->quit for $session, $starter;
$id = $primary->safe_psql('postgres',
	'SELECT max(backup_id) FROM (SELECT backup_id FROM backup_progress UNION ALL SELECT backup_id FROM backup_history) b'
);
is(wait_backup($primary, $id),
	'completed', 'when the commit has ended the backup works');
same_text(
	archive_text($primary, history($primary, $id, 'destination')),
	dump_text($primary, 'db'),
	'and is right');
no_orphans($primary, 'nothing is left');

# A backup ends whether a synchronous standby is there or not.
make_tables();
hold_pg_dump($primary);
$before = dump_text($primary, 'db');
$id = start_backup($primary, 'db', destination => 'sync-end');
$files{truncated} = files_of('truncated');
$primary->safe_psql('db', 'TRUNCATE w.truncated');
$primary->safe_psql('postgres',
	q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$primary->reload;
$primary->poll_query_until('postgres',
	q{SELECT current_setting('synchronous_standby_names') = 'nobody'})
  or die;
release_pg_dump($primary);
is( $primary->safe_psql('postgres', "SELECT wait_backup($id, '5 s')"),
	'completed',
	'a backup with preserved files ends without the synchronous standby');
$primary->safe_psql('postgres',
	q{ALTER SYSTEM RESET synchronous_standby_names});
$primary->reload;
is(wait_backup($primary, $id), 'completed', 'it is completed');
same_text(archive_text($primary, history($primary, $id, 'destination')),
	$before, 'and right');
gone($primary, $files{truncated}, 'its files are unlinked');
no_orphans($primary, 'and nothing is left');

foreach my $node ($primary, $standby, $copy, $pitr)
{
	unlike(
		slurp_file($node->logfile),
		qr/PANIC|TRAP|leaked?\b|still referenced|could not (remove|truncate) file|unexpected data|invalid page/,
		$node->name . ': nothing suspicious in the log');
}

$primary->stop;
done_testing();
