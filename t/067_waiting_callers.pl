
# Copyright (c) 2026, the backup_bgw authors

# Who waits for a backup keeps nobody waiting, and is missed when he goes.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
create_db($node, 'db',
	sql => 'CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i');

# Has a session of its own run statements, of which the last one is to wait.
# Returns the session and the process ID, and waits until that sleeps.
sub start_waiting
{
	my ($statements) = @_;
	my $session = new_session($node, 'db');
	my $pid = session_query($session, 'SELECT pg_backend_pid()');
	$session->query_until(qr/called/, "\\echo called\n$statements;\n");
	poll_perl(
		sub {
			$node->safe_psql('postgres',
				"SELECT wait_event FROM pg_stat_activity WHERE pid = $pid")
			  eq 'Extension';
		},
		"$statements to wait");
	return ($session, $pid);
}

sub xmin
{
	my ($pid) = @_;
	return $node->safe_psql('postgres',
		"SELECT backend_xmin FROM pg_stat_activity WHERE pid = $pid");
}

sub end_session
{
	my ($session, $pid) = @_;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
	$session->{run}->finish;
	return;
}

sub index_is_built
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($rc, $out, $err) = $node->psql(
		'db', q{
		SET lock_timeout = '15s';
		CREATE INDEX CONCURRENTLY t_i ON t (i);
		REINDEX INDEX CONCURRENTLY t_i;
		DROP INDEX t_i});
	is($err, '', "$name: CREATE INDEX and REINDEX CONCURRENTLY");
	return;
}

# Calls that are all there is
hold_pg_dump($node);
my $id = start_backup($node, 'db');
foreach my $call ("SELECT wait_backup($id)", "SELECT wait_backup($id, '1h')")
{
	my ($session, $pid) = start_waiting($call);
	is(xmin($pid), '', "$call: has no snapshot");
	index_is_built($call);
	end_session($session, $pid);
}

# Calls after which something may be read with the snapshot
$node->safe_psql(
	'db', qq{
	CREATE FUNCTION by_cursor() RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		c CURSOR FOR SELECT wait_backup($id);
		r text;
	BEGIN
		OPEN c; FETCH c INTO r; RETURN r;
	END\$\$});
foreach my $statements (
	"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT wait_backup($id)",
	"SELECT 1\\; SELECT wait_backup($id)",
	"SET default_transaction_isolation = 'repeatable read'; SELECT wait_backup($id)",
	"PREPARE p AS SELECT wait_backup($id); EXECUTE p",
	"SELECT wait_backup($id), i FROM t WHERE i = 7",
	"SELECT wait_backup($id) || (SELECT count(*) FROM t)",
	"SELECT wait_backup($id), query_to_xml('SELECT 1', true, true, '')",
	"SELECT upper(wait_backup($id))",
	"SELECT 1 WHERE wait_backup($id) = 'completed'",
	'SELECT by_cursor(), i FROM t WHERE i = 7',
	'SELECT by_cursor()')
{
	my ($session, $pid) = start_waiting($statements);
	isnt(xmin($pid), '', "$statements: has a snapshot");
	end_session($session, $pid);
}
# A client that wants the answer, and lets the statement live on.  Its snapshot is
# of the past by now: it must not protect again what has been let go of.
my $socket =
  IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port)
  or die $!;

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', 4 + length $body) . $body;
}

# Reads messages up to one of a type; returns the last one's content.
sub read_until
{
	my ($type) = @_;
	for (;;)
	{
		my ($header, $body) = ('', '');
		$socket->read($header, 5) == 5 or die 'the connection has ended';
		my ($this, $len) = unpack('aN', $header);
		$socket->read($body, $len - 4) if $len > 4;
		die $body if $this eq 'E';
		return $body if $this eq $type;
	}
}
my $user = $node->safe_psql('postgres', 'SELECT current_user');
my $startup = pack('N', 196608) . "user\0$user\0database\0db\0\0";
$socket->syswrite(pack('N', 4 + length $startup) . $startup);
my $own_pid = unpack('N', read_until('K'));
read_until('Z');
$socket->syswrite(message('P', "\0SELECT wait_backup($id)\0\0\0")
	  . message('B', "\0\0\0\0\0\0\0\0")
	  . message('E', "\0\0\0\0\0")
	  . message('H', ''));
poll_perl(
	sub {
		$node->safe_psql('postgres',
			"SELECT wait_event FROM pg_stat_activity WHERE pid = $own_pid")
		  eq 'Extension';
	},
	'the call to wait');
is(xmin($own_pid), '', 'extended protocol: has no snapshot');
my $later;
$later = $node->safe_psql('db', 'SELECT pg_current_xact_id()') for 1 .. 2;
release_pg_dump($node);
read_until('C');
cmp_ok(xmin($own_pid) || $later,
	'>=', $later, 'extended protocol: nor gets an old one back');
$socket->syswrite(message('S', ''));
read_until('Z');
close $socket;
is(wait_backup($node, $id), 'completed', 'the backup goes on');

# start_backup() waits for pg_dump
hold_pg_dump($node, 1);
{
	# What is evaluated after it
	my ($session, $pid) = start_waiting(
		"SELECT wait_backup(start_backup('c'), make_interval(secs => extract(second FROM now())::float8))"
	);
	isnt(xmin($pid), '',
		'something is evaluated after start_backup(): has a snapshot');
	end_session($session, $pid);
	poll_perl(
		sub {
			$node->safe_psql('postgres',
				'SELECT count(*) FROM backup_progress') eq '0';
		},
		'the backup to end with its caller');
}
foreach my $call (q{SELECT start_backup('a')},
	q{SELECT wait_backup(start_backup('b'))})
{
	my ($session, $pid) = start_waiting($call);
	is(xmin($pid), '', "$call: has no snapshot");
	index_is_built($call);

	# The client is killed, and so cannot say good-bye.
	$session->{run}->kill_kill;
	poll_perl(
		sub {
			$node->safe_psql('postgres',
				'SELECT count(*) FROM backup_progress') eq '0';
		},
		"$call: the backup to end with its caller");
	is( $node->safe_psql(
			'postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"),
		'0',
		"$call: the session has ended");
}
release_pg_dump($node);

$node->stop;
done_testing();
