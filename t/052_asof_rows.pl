
# Sessions of users as of S get rows, by whatever command; the backup's own
# pg_dump does not, and is known by a word that is good once.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');
create_db(
	$node, 'rows', sql => q{
	CREATE ROLE plain LOGIN;
	CREATE TABLE t (a int PRIMARY KEY, b text);
	INSERT INTO t SELECT i, repeat('x', i) FROM generate_series(1, 5) i;
	CREATE TABLE parted (a int) PARTITION BY LIST (a);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
	INSERT INTO parted VALUES (1), (1);
	CREATE TABLE dropped (a int);
	INSERT INTO dropped VALUES (7);
	CREATE SEQUENCE s;
	SELECT lo_from_bytea(1, 'large');});
my $before = dump_text($node, 'rows');

# The name of the snapshot that the backup's pg_dump is to use
sub snapshot_of
{
	my ($pid) = @_;
	my ($snapshot) =
	  slurp_file("/proc/$pid/cmdline") =~ /--snapshot=(backup_bgw:[^\0]*)/
	  or die "no snapshot in the command line of $pid";
	return $snapshot;
}

hold_pg_dump($node);
my $id = start_backup($node, 'rows', destination => 'rows');
my $used = snapshot_of(wait_held($node));
my $begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ';
my $enter = "$begin; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";
like(
	$used,
	qr/^backup_bgw:$id:[0-9a-f]{32}$/,
	'pg_dump has a name of its own');

$node->safe_psql('rows',
	'TRUNCATE t; DROP TABLE dropped; DROP TABLE parted; INSERT INTO t VALUES (100)'
);
my $session = new_session($node, 'rows');
session_query($session, '\set VERBOSITY verbose');
session_query($session, $enter);
my $rows = join("\n", map { "$_\t" . 'x' x $_ } 1 .. 5);
is(session_query($session, 'COPY t TO stdout'), $rows, 'COPY relation TO');
is(session_query($session, '\copy t to stdout'), $rows, '\copy');
is( session_query($session, 'COPY t (a) TO stdout'),
	join("\n", 1 .. 5),
	'COPY relation with columns TO');
is(session_query($session, 'COPY dropped TO stdout'),
	'7', 'COPY of a dropped relation');
is(session_query($session, 'COPY (TABLE parted) TO stdout'),
	"1\n1", 'COPY of a query');
session_query($session, 'COMMIT');

same_text(dump_text($node, 'rows', "--snapshot=backup_bgw:$id"),
	$before, 'pg_dump of a user: all rows');
my $dir = $node->basedir . '/own';
$node->command_ok(
	[
		'pg_dump', '-Fd', '-j', '3', '-f', $dir, "--snapshot=backup_bgw:$id",
		$node->connstr('rows')
	],
	'pg_dump -j of a user');
same_text(archive_text($node, $dir), $before, 'all rows in it');

# Names
foreach my $name (
	" $id", "+$id",
	"0$id", "$id ",
	"$id:", "0x$id",
	"${id}x", '',
	'0', '-1',
	'99999999999999999999', "$id:0123456789abcdef",
	"$id:" . 'G' x 32, "$id:" . '0' x 33)
{
	session_query($session, $begin);
	like(
		session_error(
			$session, "SET TRANSACTION SNAPSHOT 'backup_bgw:$name'"),
		qr/22023: invalid backup id/,
		"invalid: '$name'");
	session_query($session, 'ROLLBACK');
}
foreach
  my $name ($used, "backup_bgw:$id:" . '0' x 32, "backup_bgw:$id:" . 'f' x 32)
{
	session_query($session, $begin);
	like(
		session_error($session, "SET TRANSACTION SNAPSHOT '$name'"),
		qr/22023: backup $id is not waiting/,
		'a name that is no longer, or never was, good');
	session_query($session, 'ROLLBACK');
}

release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'the backup is completed')
  or diag(history($node, $id, 'error'));
same_text(archive_text($node, history($node, $id, 'destination')),
	$before, 'and has all rows');

# Rows that are gone: an error, not nothing.
$node->safe_psql('rows', 'TRUNCATE t; INSERT INTO t VALUES (1), (2)');
$before = dump_text($node, 'rows');
hold_pg_dump($node);
$id = start_backup($node, 'rows', destination => 'cancelled');
wait_held($node);
$enter = "$begin; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'";
session_query($session, $enter);
is(session_query($session, 'COPY t (a) TO stdout'), "1\n2", 'rows');
$node->safe_psql('rows', "SELECT cancel_backup($id)");
release_pg_dump($node);
is(wait_backup($node, $id), 'cancelled', 'cancelled');
$node->safe_psql('rows', 'TRUNCATE t');
like(
	session_error($session, 'COPY t TO stdout'),
	qr/55000: rows of relation "t" as of the snapshot/,
	'COPY of what is gone');
session_query($session, 'ROLLBACK');

# The backup waits for its own pg_dump: no other session is taken for it.
$node->safe_psql('rows', 'INSERT INTO t VALUES (1), (2)');
$before = dump_text($node, 'rows');
hold_pg_dump($node, 1);
my ($bid, $starting) =
  start_in_background($node, 'rows', { destination => 'waits' });
my $unused = snapshot_of(wait_held($node));
my $plain = $node->background_psql(
	'rows',
	on_error_stop => 0,
	extra_params => [ '-U', 'plain' ]);
session_query($plain, "\\set VERBOSITY verbose\n$begin");
like(
	session_error($plain, "SET TRANSACTION SNAPSHOT '$unused'"),
	qr/42501: pg_dump must connect as a superuser/,
	'no superuser');
$plain->quit;
session_query($session, "$begin; SET TRANSACTION SNAPSHOT 'backup_bgw:$bid'");
is(session_query($session, 'COPY t (a) TO stdout'),
	"1\n2", 'the first superuser who comes gets rows');
session_query($session, "COMMIT; $begin");
like(
	session_error(
		$session,
		"SET TRANSACTION SNAPSHOT '"
		  . ($unused =~ s/.{32}$/'0' x 32/er) . "'"),
	qr/22023: backup $bid is not waiting/,
	'a guess');
session_query($session, 'ROLLBACK');
is(progress($node, $bid, 'phase'), 'starting', 'the backup still waits');
release_pg_dump($node);
$starting->quit;
is(wait_backup($node, $bid), 'completed', 'its own pg_dump has come')
  or diag(history($node, $bid, 'error'));
same_text(archive_text($node, history($node, $bid, 'destination')),
	$before, 'the backup has all rows');

# Somebody else uses the name first: no rows for him, and no backup.
hold_pg_dump($node, 1);
($bid, $starting) =
  start_in_background($node, 'rows', { destination => 'stolen' });
$unused = snapshot_of(wait_held($node));
session_query($session, "$begin; SET TRANSACTION SNAPSHOT '$unused'");
is(session_query($session, 'COPY t (a) TO stdout'),
	'', 'who knows the name is taken for pg_dump');
is(session_query($session, 'SELECT count(*) FROM t'), '2', 'queries run');
session_query($session, 'COMMIT');
release_pg_dump($node);
$starting->quit;
backup_fails($node, $bid, qr/is not waiting for a pg_dump/, 'stolen name');
unlike(history($node, $bid, 'error'),
	qr/[0-9a-f]{32}/, 'the history does not show the name');

$session->quit;
$node->stop;
done_testing();
