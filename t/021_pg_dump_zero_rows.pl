
# What stock pg_dump does beside commands that give a table a new file, and what
# a backup does.  Both have their snapshot before the command commits, and come
# to the table afterwards.  If the command writes rows anew, as ALTER TABLE ...
# TYPE and REPACK (CONCURRENTLY) do, pg_dump's snapshot sees none of them: it
# waits, dumps 0 rows, and exits with 0.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
my $rows = 100;

# The command, how many rows pg_dump gives, and the major version that has the
# command first.  CLUSTER, VACUUM FULL and REPACK keep what older snapshots see.
my @cases = (
	[ 'ALTER TABLE t ALTER n TYPE bigint', 0, 0 ],
	[ 'ALTER TABLE t ADD r float8 DEFAULT random()', 0, 0 ],
	[ 'TRUNCATE t', 0, 0 ],
	[ 'VACUUM FULL t', $rows, 0 ],
	[ 'CLUSTER t USING t_pkey', $rows, 0 ],
	[ 'REPACK t', $rows, 19 ],
	[ 'REPACK (CONCURRENTLY) t', 0, 19 ]);

# COPY's rows in a script
sub count_rows
{
	my ($text) = @_;
	my ($copy) = $text =~ /^COPY public\.t .*?;\n(.*?)^\\\.$/ms;
	die "no COPY in:\n$text" unless defined $copy;
	return $copy =~ tr/\n//;
}

my $n = 0;
foreach (@cases)
{
	my ($command, $expected, $from) = @$_;
	next if major($node) < $from;

	my $db = 'db' . ++$n;
	create_db($node, $db,
		sql =>
		  "CREATE TABLE t (id int PRIMARY KEY, n int, v text); INSERT INTO t SELECT i, i, 'row ' || i FROM generate_series(1, $rows) i"
	);
	my $waits = sub {
		my ($what) = @_;
		$node->poll_query_until(
			$db,
			qq{SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND relation = 't'::regclass AND $what}
		) or die "$what: does not wait for the table";
	};

	# A reader keeps the command from ending.
	my $reader = new_session($node, $db);
	session_query($reader,
		'BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH c');
	my $session = new_session($node, $db);
	$session->query_until(qr/^sent$/m,
		"\\set ON_ERROR_STOP off\n\\echo sent\n$command;\n");
	$waits->(q{mode = 'AccessExclusiveLock'});

	my ($out, $err) = ('', '');
	my $pg_dump;
	{
		local %ENV = $node->_get_env;
		$pg_dump = IPC::Run::start([ 'pg_dump', $db ],
			'>', \$out, '2>', \$err,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	$waits->(q{mode = 'AccessShareLock'});
	hold_pg_dump($node);
	my $id = start_backup($node, $db, destination => $db);
	wait_held($node);

	session_query($reader, 'COMMIT');
	$reader->quit;
	session_query($session, 'SELECT 1');
	is($session->{stderr}, '', "$command: done while the backup runs");
	$session->quit;
	ok($pg_dump->finish, "$command: pg_dump succeeds");
	is($err, '', "$command: pg_dump says nothing");
	is(count_rows($out), $expected, "$command: rows by pg_dump");

	is(progress($node, $id, 'phase'),
		'schema', "$command: the backup has read no table yet");
	release_pg_dump($node);
	is(wait_backup($node, $id),
		'completed', "$command: the backup is completed");
	my $archive = history($node, $id, 'destination');
	is(count_rows(archive_text($node, $archive)),
		$rows, "$command: rows by the backup");
	restore_ok($node, $archive, "${db}_restored", '-e');
	is( $node->safe_psql("${db}_restored", 'SELECT count(*), sum(id) FROM t'),
		"$rows|" . $rows * ($rows + 1) / 2,
		"$command: rows restored");
}

$node->stop;
done_testing();
