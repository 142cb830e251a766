
# Sessions as of a backup's snapshot may have pages of preserved files pinned, in
# open cursors: nobody waits for that, least of all busily.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
create_db(
	$node, 'db', sql => q{
	CREATE TABLE t AS SELECT i, repeat('x', 200) AS v FROM generate_series(1, 1000) i;
	CREATE TABLE u AS TABLE t});

# Opens a cursor as of a backup's snapshot and fetches from it.
sub reader
{
	my ($id, $query) = @_;
	my $session = new_session($node, 'db');
	session_query($session,
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'; DECLARE c CURSOR FOR $query"
	);
	isnt(session_query($session, 'FETCH 1 FROM c'),
		'', "as of the snapshot: $query");
	return $session;
}

sub path_of
{
	my ($relation) = @_;
	return $node->data_dir . '/'
	  . $node->safe_psql('db', "SELECT pg_relation_filepath('$relation')");
}

# A file whose pages are gone is empty, until the next checkpoint.
sub kept
{
	my ($name, @paths) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', grep { !-s $_ } @paths), '', $name);
	return;
}

# What is left in the end of a backup goes when the last reader does, however
# that is.
foreach my $end ('COMMIT', 'ROLLBACK', 'terminated')
{
	hold_pg_dump($node);
	my $id = start_backup($node, 'db', destination => "reader-$end");
	wait_held($node);
	my @files = map { path_of($_) } qw(t u pg_operator);
	$node->safe_psql('db', $_)
	  for 'TRUNCATE t', 'VACUUM FULL u', 'VACUUM FULL pg_operator';
	my @sessions = map { reader($id, "SELECT * FROM $_") } qw(t pg_operator);
	my $pid = session_query($sessions[1], 'SELECT pg_backend_pid()');
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "$end: the backup is completed");
	kept("$end: what readers may have pinned is there", @files);

	session_query($sessions[0], 'ROLLBACK');
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'backup_bgw%'}
	) or die 'a sweep does not end';
	kept("$end: as long as there is one", @files);
	if ($end eq 'terminated')
	{
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
		eval { $sessions[1]->quit };
	}
	else
	{
		session_query($sessions[1], $end);
		$sessions[1]->quit;
	}
	$sessions[0]->quit;
	poll_perl(
		sub {
			!grep { -s $_ } @files;
		},
		"$end: files to go with the last reader");
	no_orphans($node, "$end: nothing is left", 'db');
	$node->safe_psql('db', 'INSERT INTO t TABLE u');
}

# Nor do table workers, between two tables, wait for a reader.  The file that is
# worth a sweep is read first.
$node->safe_psql('db',
	q{CREATE TABLE big AS SELECT i, repeat('x', 200) AS v FROM generate_series(1, 80000) i}
);
hold_pg_dump($node);
my $id = start_backup($node, 'db', destination => 'worker', jobs => 1);
wait_held($node);
my $big = path_of('big');
$node->safe_psql('db', 'TRUNCATE big');
my $reader = reader($id, 'SELECT * FROM big');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed',
	'a table worker waits for no reader');
kept('what the reader may have pinned is there', $big);
$reader->quit;
poll_perl(sub { !-s $big }, 'the file to go with the reader');

# While a backup fails, its workers may still have a page pinned of what it has
# lost its right to.  Another one leaves that alone.
$node->safe_psql(
	'db', q{
	CREATE TABLE read AS SELECT t1.* FROM u t1, generate_series(1, 10);
	CREATE TABLE unread AS SELECT t1.* FROM u t1, generate_series(1, 8)});
my $read = path_of('read');
$id = $node->safe_psql(
	'db',
	q{SET backup_bgw.max_preserved_size = '4MB'; SELECT }
	  . start_sql(
		destination => 'failing',
		jobs => 1,
		include => [ 'read', 'unread' ],
		max_rate => '50kB'));
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM backup_workers WHERE backup_id = $id AND relation = 'public.read' AND bytes_done > 0"
) or die 'no worker reads';
$node->safe_psql('db', 'TRUNCATE read');
my $pid = hold_worker($node, $id, 'public.read');
ok($pid, 'a worker reads a file that is preserved');
$node->safe_psql('db', 'TRUNCATE unread');
backup_ok($node, 'db', name => 'another backup, while that one is failing');
kept('what the worker may have pinned is there', $read);
release_worker($pid);
backup_fails($node, $id, qr/max_preserved_size/, 'the limit is reached');
poll_perl(sub { !-s $read }, 'the file to go');
no_orphans($node, 'nothing is left', 'db');

$node->stop;
done_testing();
