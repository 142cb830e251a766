
# The outcome of the transactions that wrote what is in a preserved file must be
# known for as long as that is to be read.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
my $pg_xact = $node->data_dir . '/pg_xact';

# Nobody has read these rows since: which transaction they are of is all that is
# known of them.
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t (i int, v text); ALTER TABLE t ALTER v SET STORAGE external;
	INSERT INTO t SELECT i, repeat(i::text, 1000) FROM generate_series(1, 20) i}
);

# Some million transactions later; a file of pg_xact is of 1,048,576.
$node->stop;
append_to_file("$pg_xact/000$_", "\0" x 262144) for 1 .. 2;
system_or_bail('pg_resetwal', '-x', '3000000', '-D', $node->data_dir);
$node->start;
$node->safe_psql('postgres',
	'ALTER DATABASE template0 ALLOW_CONNECTIONS true');
my $numbers =
  q{SELECT datfrozenxid || ' ' || datminmxid FROM pg_database WHERE datname = 'db'};

sub vacuum_all
{
	local %ENV = $node->_get_env;
	system_or_bail('vacuumdb', '--all', '--freeze', '--quiet');
	return;
}

# The leader drops what it has made when it is terminated as of its snapshot, too,
# whatever became of the catalogs meanwhile.
hold_pg_dump($node);
my $id = start_backup($node, 'db', destination => 'terminated');
wait_held($node);
is( $node->safe_psql(
		'db', q{SELECT count(*) FROM pg_class WHERE relpersistence = 't'}),
	'1',
	'the leader has a temporary table');
$node->safe_psql('db', "VACUUM FULL $_")
  for qw(pg_class pg_attribute pg_type pg_depend pg_namespace);
my $catalogs =
  q{SELECT string_agg(c::text, E'\n' ORDER BY c.oid) FROM pg_class c WHERE relpersistence <> 't'};
my $before = $node->safe_psql('db', $catalogs);
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM backup_workers WHERE backup_id = $id AND role = 'leader'"
);
is(wait_backup($node, $id), 'failed', 'the leader is terminated');
release_pg_dump($node);
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'backup_bgw%'}
) or die 'the leader does not end';
is( $node->safe_psql(
		'db',
		q{SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), (SELECT count(*) FROM pg_type WHERE typname ~ 'backup_bgw_horizon'), (SELECT count(*) FROM pg_depend d WHERE classid = 'pg_class'::regclass AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = objid))}
	),
	'0|0|0',
	'it has dropped its temporary table');
is($node->safe_psql('db', $catalogs), $before, 'and nothing else');

# A caller who has catalogs locked is not waited for, neither when the backup starts
# nor when it ends.
foreach my $catalog (qw(pg_class pg_shdepend))
{
	my $session = new_session($node, 'db');
	session_query($session,
		"SET statement_timeout = '60s'; BEGIN; LOCK TABLE $catalog IN EXCLUSIVE MODE"
	);
	my $offset = -s $node->logfile;
	$id = session_query($session,
		'SELECT ' . start_sql(destination => "start-$catalog"));
	is(session_query($session, "SELECT wait_backup($id)"),
		'completed', "start with $catalog locked: completed")
	  or diag(history($node, $id, 'error'));
	like(
		slurp_file($node->logfile, $offset),
		qr/LOG:  pg_xact and pg_multixact cannot be held for the backup/,
		"start with $catalog locked: the log says what is not held");
	$session->quit;
}
foreach my $catalog (map { "pg_$_" }
	qw(class shdepend description inherits init_privs seclabel statistic subscription_rel)
  )
{
	my $session = new_session($node, 'db');
	hold_pg_dump($node);
	$id = start_backup($node, 'db', destination => "end-$catalog");
	session_query($session,
		"SET statement_timeout = '60s'; BEGIN; LOCK TABLE $catalog IN EXCLUSIVE MODE"
	);
	release_pg_dump($node);
	is(session_query($session, "SELECT wait_backup($id)"),
		'completed', "end with $catalog locked: completed")
	  or diag(history($node, $id, 'error'));
	$session->quit;
}
$node->poll_query_until('postgres',
	q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'backup_bgw%'}
) or die 'a leader does not end';

# Nothing is left in the end, not even a schema, where there was none before;
create_db($node, 'fresh');
my $left =
  q{SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't'), (SELECT count(*) FROM pg_namespace WHERE nspname ~ 'temp')};
backup_ok(
	$node, 'fresh',
	name => 'another backup, of what is called so',
	include => ['*.backup*']);
is($node->safe_psql('fresh', $left), '0|0', 'leaves no schema');

# nor of a backup that ends while its caller waits.
hold_pg_dump($node, 1);
($id, my $caller) =
  start_in_background($node, 'fresh', { destination => 'given-up' });
wait_held($node);
is($node->safe_psql('fresh', $left), '1|2', 'while it starts there is one');
$node->safe_psql('fresh', "SELECT cancel_backup($id)");
$caller->quit;
release_pg_dump($node);
is($node->safe_psql('fresh', $left),
	'0|0', 'when it was cancelled there is not');
no_orphans($node, 'nothing is left', 'db');

# A table whose transactions are the oldest is truncated before it is read.
$before = $node->safe_psql('postgres', $numbers);
hold_pg_dump($node);
$id = start_backup($node, 'db', destination => 'truncated');
wait_held($node);
$node->safe_psql('db', 'TRUNCATE t');
vacuum_all();
is($node->safe_psql('postgres', $numbers),
	$before, 'what the database may need is held');
ok(-e "$pg_xact/0000", 'the commit log is there');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
my $archive = history($node, $id, 'destination');
like(archive_text($node, $archive), qr/^20\t(20){1000}$/m, 'with its rows')
  if -e $archive;

# until the leader is gone
$node->poll_query_until('db',
	q{SELECT count(*) = 0 FROM pg_class WHERE relpersistence = 't'})
  or die 'the temporary table is still there';
vacuum_all();
isnt($node->safe_psql('postgres', $numbers),
	$before, 'not any more when the backup has ended');
ok(!-e "$pg_xact/0000", 'the commit log was truncated');

# Now nothing old is left, and no backup makes a table.
hold_pg_dump($node);
$id = start_backup($node, 'db', destination => 'young');
wait_held($node);
is( $node->safe_psql(
		'db', q{SELECT count(*) FROM pg_class WHERE relpersistence = 't'}),
	'0',
	'where all is young, there is nothing to be held');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'and a backup is completed');

unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|WARNING|server process .* was terminated|could not access status/,
	'nothing unexpected in the log');
$node->stop;
done_testing();
