
# DDL on the very table that a worker is reading: it ends while the backup runs,
# the worker goes on, and the backup is as of its snapshot.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main',
	conf =>
	  "autovacuum = off\nmax_worker_processes = 32\nbackup_bgw.max_backups = 10\n"
);
my $space = $node->basedir . '/space';
mkdir $space or die "could not create \"$space\": $!";
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$space'");

# Half of it is in TOAST.  How long it is read, max_rate decides.
my $kilobytes = 480;
create_db(
	$node, 'victim', sql => q{
	CREATE SCHEMA other;
	CREATE TABLE victim (id int PRIMARY KEY, v text, w text) WITH (autovacuum_enabled = off);
	ALTER TABLE victim ALTER v SET STORAGE plain, ALTER w SET STORAGE external;
	INSERT INTO victim SELECT i, repeat(md5(i::text), 60), repeat(md5(i::text), 60) FROM generate_series(1, 110) i;
	CREATE INDEX victim_v ON victim (left(v, 20));});
my $size =
  $node->safe_psql('victim', q{SELECT pg_table_size('victim') / 1024});
cmp_ok(abs($size - $kilobytes), '<', 60, "the table has $kilobytes kB");

# Name, the DDL, and flags: setup (SQL before the backup), then (a query, and its
# result after the DDL), seconds (that the reading is to take), from (major version
# that has it first).
my @cases = (
	# these take their time, so they come first
	# VACUUM tries for 5 s to get its lock for truncation
	[
		'VACUUM that truncates', 'VACUUM (TRUNCATE) victim',
		setup =>
		  q{INSERT INTO victim SELECT i, repeat('x', 2000), NULL FROM generate_series(1000, 1100) i; DELETE FROM victim WHERE id >= 1000},
		seconds => 12
	],
	[
		'DELETE of everything and VACUUM',
		'DELETE FROM victim; VACUUM (TRUNCATE) victim',
		then => [ 'SELECT count(*) FROM victim', '0' ],
		seconds => 12
	],
	[
		'pg_repack',
		sub {
			"\\! pg_repack -k -t public.victim $_[0] 2>&1 && echo repacked";
		},
		setup => 'CREATE EXTENSION pg_repack',
		program => 'pg_repack',
		output => qr/^repacked$/m,
		seconds => 12
	],
	[
		'TRUNCATE',
		'TRUNCATE victim',
		then => [ 'SELECT count(*) FROM victim', '0' ]
	],
	[
		'TRUNCATE and load',
		q{BEGIN; TRUNCATE victim; INSERT INTO victim SELECT i, 'new', repeat('n', 3000) FROM generate_series(1, 200) i; COMMIT}
	],
	[
		'DROP TABLE',
		'DROP TABLE victim',
		then => [ q{SELECT to_regclass('victim') IS NULL}, 't' ]
	],
	[
		'DROP SCHEMA CASCADE',
		'ALTER TABLE victim SET SCHEMA other; DROP SCHEMA other CASCADE'
	],
	[
		'DROP TABLE and CREATE TABLE',
		'DROP TABLE victim; CREATE TABLE victim (w text); INSERT INTO victim VALUES (1)'
	],
	[ 'ALTER TYPE with rewrite', 'ALTER TABLE victim ALTER id TYPE numeric' ],
	[
		'ADD COLUMN with a volatile default',
		'ALTER TABLE victim ADD r float8 DEFAULT random()'
	],
	[
		'ADD COLUMN, DROP COLUMN, RENAME',
		'ALTER TABLE victim ADD x int DEFAULT 5; ALTER TABLE victim DROP v; ALTER TABLE victim RENAME w TO v; ALTER TABLE victim RENAME TO renamed'
	],
	[ 'VACUUM FULL', 'VACUUM FULL victim' ],
	[
		'VACUUM FULL after DELETE',
		'DELETE FROM victim WHERE id > 10; VACUUM FULL victim; VACUUM FULL victim'
	],
	[ 'CLUSTER', 'CLUSTER victim USING victim_v' ],
	[ 'REPACK', 'REPACK victim', from => 19 ],
	[
		'REPACK after DELETE',
		'DELETE FROM victim WHERE id > 10; REPACK victim USING INDEX victim_v',
		from => 19
	],
	[
		'REPACK (CONCURRENTLY)',
		'REPACK (CONCURRENTLY) victim',
		from => 19,
		seconds => 12
	],
	[
		'REPACK (CONCURRENTLY) after DELETE, twice',
		'DELETE FROM victim WHERE id > 10; REPACK (CONCURRENTLY) victim; REPACK (CONCURRENTLY) victim USING INDEX victim_v',
		from => 19,
		seconds => 12
	],
	[
		'VACUUM FULL of TOAST',
		q{SELECT format('VACUUM FULL %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 'victim'::regclass \gexec}
	],
	[
		'REINDEX of TOAST',
		q{SELECT format('REINDEX TABLE %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 'victim'::regclass \gexec}
	],
	[ 'REINDEX TABLE', 'REINDEX TABLE victim' ],
	[ 'REINDEX TABLE CONCURRENTLY', 'REINDEX TABLE CONCURRENTLY victim' ],
	[
		'CREATE INDEX CONCURRENTLY',
		'CREATE INDEX CONCURRENTLY c ON victim (id, left(v, 20))'
	],
	[ 'DROP INDEX CONCURRENTLY', 'DROP INDEX CONCURRENTLY victim_v' ],
	[ 'SET TABLESPACE', 'ALTER TABLE victim SET TABLESPACE space' ],
	[ 'SET UNLOGGED', 'ALTER TABLE victim SET UNLOGGED' ],
	[
		'DETACH PARTITION CONCURRENTLY',
		'ALTER TABLE p DETACH PARTITION victim CONCURRENTLY',
		setup =>
		  q{CREATE TABLE p (LIKE victim) PARTITION BY RANGE (id); ALTER TABLE p ATTACH PARTITION victim FOR VALUES FROM (0) TO (1000)}
	],
	[
		'ATTACH PARTITION',
		'ALTER TABLE p ATTACH PARTITION victim FOR VALUES FROM (0) TO (1000)',
		setup => q{CREATE TABLE p (LIKE victim) PARTITION BY RANGE (id)}
	],
	[
		'LOCK TABLE',
		'BEGIN; LOCK TABLE victim IN ACCESS EXCLUSIVE MODE; COMMIT'
	],
	[
		'many in a row',
		q{TRUNCATE victim; INSERT INTO victim VALUES (1, 'a', repeat('b', 3000)); ALTER TABLE victim ALTER id TYPE bigint; VACUUM FULL victim; REINDEX TABLE victim; DROP TABLE victim; CREATE TABLE victim (a int)}
	]);

my ($bindir) = `pg_config --bindir` =~ /(.*)/;
my $watcher = new_session($node, 'postgres');
my $n = 0;

# Waits until a worker is in the midst of the table.
sub wait_read
{
	my ($id) = @_;
	poll_perl(
		sub {
			return session_query($watcher,
				"SELECT count(*) FROM backup_workers WHERE backup_id = $id AND relation = 'public.victim' AND bytes_done > 0"
			  ) eq '1'
			  || session_query(
				$watcher,
				"SELECT count(*) FROM backup_progress WHERE backup_id = $id"
			  ) eq '0';
		},
		'the table to be read');
	return;
}

# Begins the backup of a new copy of the database.
sub begin_case
{
	my ($case, $seconds) = @_;
	$case->{db} = 'while_read_' . ++$n;
	$node->safe_psql('postgres',
		"CREATE DATABASE $case->{db} TEMPLATE victim");
	$node->safe_psql($case->{db}, $case->{setup}) if $case->{setup};
	$case->{stock} = stock_dump($node, $case->{db});
	$case->{session} = new_session($node, $case->{db});
	session_query($case->{session},
		q{SET statement_timeout = '60s'; SET client_min_messages = warning});
	$case->{id} = start_backup(
		$node, $case->{db},
		destination => $case->{db},
		jobs => 1,
		max_rate => int($kilobytes / $seconds) . 'kB');
	return;
}

# Sends the DDL as soon as the table is being read, and does not wait for it.
sub run_case
{
	my ($case) = @_;
	my $ddl = ref $case->{ddl} ? $case->{ddl}->($case->{db}) : $case->{ddl};
	wait_read($case->{id});
	my $early = $case->{session}->query_until(
		qr/^sent$/m,
		join(
			"\n;\n", '\echo sent', $ddl,
			# or else it may have got its lock at the end of the reading
			"SELECT 'reading: ' || count(*) FROM public.backup_progress WHERE backup_id = $case->{id} AND phase IN ('schema', 'copying') AND bytes_done < bytes_total"
		  )
		  . "\n;\n");
	# the answer may have come at once
	($case->{early}) = $early =~ /^sent\n(.*)/ms;
	return;
}

# Waits for the DDL, and for the backup.  Returns false if the backup ended first.
sub end_case
{
	my ($case, $last) = @_;
	my $name = $case->{name};
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $out =
	  ($case->{early} // '')
	  . $case->{session}
	  ->query($case->{then} ? $case->{then}[0] : 'SELECT 1');
	my $err = $case->{session}{stderr};
	$case->{session}->quit;
	my ($reading, $then) = $out =~ /^reading: (\d)\n?(.*)/ms;
	my $status = wait_backup($node, $case->{id});

	if (  !$last
		&& $err !~ /ERROR|FATAL/
		&& $status eq 'completed'
		&& $reading eq '0')
	{
		note("$name: the reading ended first; once more, more slowly");
		return 0;
	}
	ok( $err !~ /ERROR|FATAL/
		  && $reading eq '1'
		  && (!$case->{output} || $out =~ $case->{output}),
		"$name: ended while the backup ran"
	) or diag("output: $out\nerror: $err");
	is($then, $case->{then}[1], "$name: had its effect") if $case->{then};
	if (is($status, 'completed', "$name: the backup is completed"))
	{
		my $archive = history($node, $case->{id}, 'destination');
		archives_equal($node, $archive, $case->{stock}, $name);
	}
	else
	{
		diag(history($node, $case->{id}, 'error'));
	}
	return 1;
}

my @todo;
foreach (@cases)
{
	my ($name, $ddl, %flags) = @$_;
	next if $flags{from} && major($node) < $flags{from};
	if ($flags{program}
		&& (!-x "$bindir/$flags{program}"
			|| $node->safe_psql(
				'postgres',
				"SELECT count(*) FROM pg_available_extensions WHERE name = '$flags{program}'"
			) eq '0'))
	{
		note("not tested, as it is not there: $name");
		next;
	}
	push @todo, { name => $name, ddl => $ddl, %flags };
}

# Some at a time.  The reading takes long enough for the DDL to be made meanwhile
# on any machine but a very slow one; there, it takes longer.
my @long = grep { $_->{seconds} } @todo;
my @short = grep { !$_->{seconds} } @todo;
my @slow;
begin_case($_, $_->{seconds}), run_case($_) for @long;
while (my @some = splice(@short, 0, 4))
{
	begin_case($_, 2)              for @some;
	run_case($_)                   for @some;
	end_case($_) or push @slow, $_ for @some;
}
end_case($_) or push @slow, $_ for @long;
while (my @some = splice(@slow, 0, 8))
{
	begin_case($_, 20), run_case($_) for @some;
	end_case($_, 1) for @some;
}

# VACUUM cannot truncate a table that a worker has locked.  But a worker that
# could not lock it, because of somebody else, must not mind either.
{
	create_db(
		$node, 'tail', sql => q{
		CREATE TABLE victim (id int, v text) WITH (autovacuum_enabled = off);
		ALTER TABLE victim ALTER v SET STORAGE plain;
		INSERT INTO victim SELECT i, repeat('v', 7000) FROM generate_series(1, 60) i;
		DELETE FROM victim WHERE id > 40;});
	my $stock = stock_dump($node, 'tail');
	my $blocker = new_session($node, 'tail');
	my $vacuum = new_session($node, 'tail');
	session_query($blocker,
		'BEGIN; LOCK TABLE victim IN ACCESS EXCLUSIVE MODE');
	my $id = start_backup(
		$node, 'tail',
		destination => 'tail',
		jobs => 1,
		max_rate => '120kB');
	wait_read($id);
	is(progress($node, $id, 'bytes_done < bytes_total'),
		't', 'a table that somebody has locked is read');
	$vacuum->query_until(qr/^sent$/m,
		"\\echo sent\nVACUUM (TRUNCATE) victim;\n");
	$node->poll_query_until('tail',
		q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'victim'::regclass}
	) or die 'VACUUM does not wait';
	session_query($blocker, 'COMMIT');
	$blocker->quit;
	session_query($vacuum, 'SELECT 1');
	$vacuum->quit;
	is( wait_backup($node, $id),
		'completed',
		'VACUUM truncates a table that is read without a lock: the backup is completed'
	) or diag(history($node, $id, 'error'));
	my $archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock,
		'VACUUM truncates a table that is read without a lock')
	  if -e $archive;
}

no_orphans($node, 'all files of what was dropped are gone');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
