
# Files preserved for a backup: each is unlinked when no backup needs it any more,
# however the backup, or the server, ended; and no file that is still in use is.

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
	extra => ['--data-checksums'],
	conf => "autovacuum = off\nrestart_after_crash = on\n");
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres',
	"CREATE TABLESPACE elsewhere LOCATION '$tablespace'");

my @dbs = qw(db1 db2);
create_db($node, $_) for @dbs;
my $n = 0;
my %columns = (
	big => 'id',
	truncated => 'id',
	vacuumed => 'i',
	altered => 'i',
	there => 'id',
	moved => 'i',
	unlogged => 'i');

# Tables that get other files, or are dropped, and one that is left alone and
# keeps a worker busy.
sub make_tables
{
	my ($db) = @_;
	$node->safe_psql(
		$db, q{
		SET client_min_messages = warning;
		DROP SCHEMA IF EXISTS w CASCADE;
		CREATE SCHEMA w;
		CREATE TABLE w.big (id int, t text);
		ALTER TABLE w.big ALTER t SET STORAGE external;
		INSERT INTO w.big SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 200) i;
		CREATE TABLE w.truncated AS SELECT * FROM w.big WHERE id <= 100;
		ALTER TABLE w.truncated ALTER t SET STORAGE external;
		INSERT INTO w.truncated SELECT * FROM w.big WHERE id <= 20;
		CREATE TABLE w.dropped AS SELECT i, i::text AS t FROM generate_series(1, 500) i;
		CREATE TABLE w.vacuumed AS SELECT * FROM w.dropped;
		CREATE TABLE w.altered AS SELECT * FROM w.dropped;
		CREATE TABLE w.there (id serial, t text) TABLESPACE elsewhere;
		INSERT INTO w.there (t) SELECT t FROM w.dropped;
		CREATE TABLE w.moved TABLESPACE elsewhere AS SELECT * FROM w.dropped;
		CREATE UNLOGGED TABLE w.unlogged AS SELECT * FROM w.dropped;});
	return;
}

# Each command is a transaction of its own, for VACUUM.
sub change_tables
{
	my ($db) = @_;
	$node->safe_psql(
		$db, q{
		BEGIN; TRUNCATE w.truncated; INSERT INTO w.truncated SELECT i, 'new' FROM generate_series(1, 10) i; COMMIT;
		DROP TABLE w.dropped;
		VACUUM FULL w.vacuumed;
		ALTER TABLE w.altered ALTER i TYPE bigint;
		TRUNCATE w.there RESTART IDENTITY;
		ALTER TABLE w.moved SET TABLESPACE pg_default;
		TRUNCATE w.unlogged;});
	return;
}

# What they look like after that.
sub contents
{
	my ($db) = @_;
	return $node->safe_psql(
		$db,
		join(
			' UNION ALL ',
			map {
				"SELECT '$_', count(*), md5(string_agg(x::text, ',' ORDER BY x::text)), min(pg_typeof(x.$columns{$_})::text) FROM w.$_ x"
			} sort keys %columns)
		  . q{ UNION ALL SELECT 'dropped', 0, to_regclass('w.dropped')::text, NULL}
	);
}

# { path => size } of the files of these relations, and of their TOAST tables.
sub files_of
{
	my ($db, @relations) = @_;
	my $list = join ', ', map { "'w.$_'::regclass" } @relations;
	my $paths = $node->safe_psql(
		$db, qq{
		CHECKPOINT;
		WITH t AS (SELECT oid, reltoastrelid FROM pg_class WHERE oid IN ($list))
		SELECT pg_relation_filepath(oid) FROM t
		UNION ALL SELECT pg_relation_filepath(reltoastrelid) FROM t WHERE reltoastrelid <> 0
		UNION ALL SELECT pg_relation_filepath(indexrelid) FROM pg_index JOIN t ON indrelid = reltoastrelid}
	);
	return { map { $_ => -s $node->data_dir . "/$_" } split /\n/, $paths };
}

# They must be there, and whole / must go, in a while.
sub kept
{
	my ($files, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->safe_psql('postgres', 'CHECKPOINT');
	is( join(
			' ',
			grep {
				my $size = -s $node->data_dir . "/$_";
				!defined $size || $size < $files->{$_}
			} sort keys %$files),
		'',
		$name);
	return;
}

sub left
{
	my ($files) = @_;
	$node->safe_psql('postgres', 'CHECKPOINT');
	return join(' ', grep { -e $node->data_dir . "/$_" } sort keys %$files);
}

sub gone
{
	my ($files, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		poll_perl(sub { left($files) eq '' }, $name);
	};
	is(left($files), '', $name);
	return;
}

# Number of registries (registry.c) that a database has.
sub registries
{
	my ($db) = @_;
	my $oid = $node->safe_psql('postgres',
		"SELECT oid FROM pg_database WHERE datname = '$db'");
	return
	  scalar grep { /^9[7-9]\d\d_/ }
	  slurp_dir($node->data_dir . "/base/$oid");
}

sub pid_of
{
	my ($id, $role) = @_;
	return $node->safe_psql('postgres',
		"SELECT min(pid) FROM backup_workers WHERE backup_id = $id AND role = '$role'"
	);
}

sub wait_copying
{
	my ($id) = @_;
	$node->poll_query_until(
		'postgres',
		qq{SELECT count(*) > 0 FROM backup_workers w JOIN backup_progress p USING (backup_id)
		WHERE phase = 'copying' AND w.role = 'worker' AND w.relation IS NOT NULL AND backup_id = $id}
	) or die 'the backup does not copy';
	return;
}

sub crash
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;
	die "no process to kill" unless $pid && $pid > 1;
	kill 'KILL', $pid or die "could not kill $pid";
	$node->wait_for_log(qr/database system is ready to accept connections/,
		$offset);
	$node->poll_query_until('postgres', 'SELECT true')
	  or die 'the server did not come back';
	return;
}

# All ends that a backup may have, with backups of two databases at a time.  "end"
# gets their ids.
my @ends = (
	{
		name => 'completed',
		status => 'completed',
		end => sub { release_pg_dump($node) }
	},
	{
		name => 'cancelled',
		status => 'cancelled',
		end => sub {
			$node->safe_psql('postgres', "SELECT cancel_backup($_)") for @_;
		}
	},
	{
		name => 'failed',
		status => 'failed',
		copying => 1,
		end => sub {
			$node->safe_psql('postgres',
				'SELECT pg_terminate_backend(' . pid_of($_, 'worker') . ')')
			  for @_;
		}
	},
	{
		name => 'leader terminated',
		status => 'failed',
		copying => 1,
		end => sub {
			$node->safe_psql('postgres',
				'SELECT pg_terminate_backend(' . pid_of($_, 'leader') . ')')
			  for @_;
		}
	},
	{
		name => 'server stopped',
		status => 'failed',
		end => sub { $node->stop('fast'); $node->start }
	},
	{
		name => 'server stopped at once',
		status => 'failed',
		copying => 1,
		end => sub { $node->stop('immediate'); $node->start }
	},
	{
		name => 'postmaster killed',
		status => 'failed',
		end => sub {
			my ($pid) =
			  slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)$/m;
			$node->kill9;
			poll_perl(sub { !kill 0, $pid }, 'the postmaster to go');
			# until the last child is gone
			poll_perl(sub { $node->start(fail_ok => 1) },
				'the server to start');
		}
	},
	{
		name => 'leader killed',
		status => 'failed',
		end => sub { crash(pid_of($_[0], 'leader')) }
	},
	{
		name => 'worker killed',
		status => 'failed',
		copying => 1,
		end => sub { crash(pid_of($_[0], 'worker')) }
	},
	{
		name => q{pg_dump's session killed},
		status => 'failed',
		block => 1,
		end => sub { crash(pid_of($_[0], 'pg_dump')) }
	});

foreach my $case (@ends)
{
	my $name = $case->{name};
	my (%id, %before, %after, %files, $session);
	# pg_dump has read the sequences when workers copy
	make_tables($_) for @dbs;
	hold_pg_dump($node) unless $case->{copying};
	if ($case->{block})
	{
		$session = new_session($node, 'db1');
		session_query($session,
			'BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE');
	}
	foreach my $db (@dbs)
	{
		$before{$db} = dump_text($node, $db)
		  if $case->{status} eq 'completed';
		$files{$db} = files_of(
			$db,
			qw(truncated dropped vacuumed altered there moved unlogged),
			$case->{copying} ? () : 'there_id_seq');
		$id{$db} = start_backup(
			$node, $db,
			destination => 'ends-' . ++$n,
			jobs => 2,
			$case->{copying} ? (max_rate => '10kB') : ());
		wait_copying($id{$db}) if $case->{copying};
		change_tables($db);
		$after{$db} = contents($db);
	}
	kept(
		{ map { %{ $files{$_} } } @dbs },
		"$name: files are preserved until then");
	is(join(' ', map { registries($_) } @dbs),
		'1 1', "$name: and there is a registry in each database");

	$case->{end}->(map { $id{$_} } @dbs);

	is( wait_backup($node, $id{$_}),
		$case->{status},
		"$name: $_ $case->{status}") for @dbs;
	my %old = map { %{ $files{$_} } } @dbs;
	# a backup has ended when that is done
	is(left(\%old), '', "$name: preserved files are unlinked at once")
	  unless $name =~ /server|kill/;
	gone(\%old, "$name: preserved files are unlinked");
	no_orphans($node, "$name: nothing is left");
	release_pg_dump($node);
	eval { $session->quit } if $session;
	is(contents($_), $after{$_}, "$name: $_ is as the transactions left it")
	  for @dbs;
	if ($case->{status} eq 'completed')
	{
		same_text(archive_text($node, history($node, $id{$_}, 'destination')),
			$before{$_}, "$name: $_ was backed up as it was")
		  for @dbs;
	}
	else
	{
		my $archive =
		  backup_ok($node, 'db1', name => "$name: a later backup");
		same_text(
			archive_text($node, $archive),
			dump_text($node, 'db1'),
			"$name: and that is right");
	}
}

# Transactions that abort after the guard has seen them: their tables stay.
foreach my $end ('completed', 'server stopped at once')
{
	make_tables('db1');
	$node->safe_psql('db1',
		q{CREATE TABLE w.a (i int); CREATE TABLE w.b (i int)});
	$node->safe_psql('db1', "CREATE TABLE w.$_ AS SELECT * FROM w.truncated")
	  for qw(conflict temporary duplicate withdrawn);
	my $files = files_of('db1', qw(conflict temporary duplicate withdrawn));
	my $before = files_of('db1', qw(dropped));
	my $contents = dump_text($node, 'db1');
	hold_pg_dump($node);
	my $id = start_backup($node, 'db1', destination => 'aborts-' . ++$n);

	my @sessions = map { new_session($node, 'db1') } 1 .. 2;
	session_query($_, 'BEGIN ISOLATION LEVEL SERIALIZABLE') for @sessions;
	session_query($sessions[0], 'SELECT count(*) FROM w.a');
	session_query($sessions[1], 'SELECT count(*) FROM w.b');
	session_query($sessions[0],
		'INSERT INTO w.b VALUES (1); TRUNCATE w.conflict');
	session_query($sessions[1], 'INSERT INTO w.a VALUES (1); COMMIT');
	like(
		session_error($sessions[0], 'COMMIT'),
		qr/could not serialize access/,
		"$end: a transaction fails in COMMIT");
	$_->quit for @sessions;

	$node->safe_psql('db1',
		q{BEGIN; TRUNCATE w.withdrawn; PREPARE TRANSACTION 'withdrawn'});
	my ($ret, $out, $err) = $node->psql('db1',
		q{BEGIN; DROP TABLE w.duplicate; PREPARE TRANSACTION 'withdrawn'});
	like($err, qr/already in use/, "$end: another in PREPARE TRANSACTION");
	($ret, $out, $err) = $node->psql('db1',
		q{BEGIN; CREATE TEMPORARY TABLE t (i int); TRUNCATE w.temporary; PREPARE TRANSACTION 'temporary'}
	);
	like($err, qr/temporary objects/, "$end: and another");
	$node->safe_psql('db1', q{ROLLBACK PREPARED 'withdrawn'});
	is( $node->safe_psql(
			'db1',
			'DELETE FROM w.a; DROP TABLE w.dropped; SELECT count(*) > 0 FROM backup_preserved_files'
		),
		't',
		"$end: files are preserved");
	is(registries('db1'), 1, "$end: there is a registry");

	if ($end eq 'completed')
	{
		release_pg_dump($node);
		is(wait_backup($node, $id), 'completed', "$end: $end");
		same_text(archive_text($node, history($node, $id, 'destination')),
			$contents, "$end: everything was backed up as it was");
	}
	else
	{
		$node->stop('immediate');
		$node->start;
		release_pg_dump($node);
	}
	gone($before, "$end: what was dropped is gone");
	no_orphans($node, "$end: nothing is left");
	kept($files,
		"$end: tables of transactions that aborted have their files");
	is( $node->safe_psql(
			'db1',
			join ' UNION ALL ',
			map { "SELECT count(*) FROM w.$_" }
			  qw(conflict temporary duplicate withdrawn)),
		"120\n120\n120\n120",
		"$end: and their rows");
	$node->restart;
	is( $node->safe_psql(
			'db1',
			join ' UNION ALL ',
			map { "SELECT count(*) FROM w.$_" }
			  qw(conflict temporary duplicate withdrawn)),
		"120\n120\n120\n120",
		"$end: also after a restart");
}

# Prepared transactions that outlive the backup, and the server
make_tables('db1');
$node->safe_psql('db1', "CREATE TABLE w.p$_ AS SELECT * FROM w.truncated")
  for 1 .. 3;
my %files = map { $_ => files_of('db1', $_) } qw(p1 p2 p3 dropped);
hold_pg_dump($node);
my $id = start_backup($node, 'db1', destination => 'prepared-' . ++$n);
$node->safe_psql('db1',
	qq{BEGIN; TRUNCATE w.p$_; INSERT INTO w.p$_ VALUES (1, 'new'); PREPARE TRANSACTION 'p$_'}
) for 1 .. 3;
$node->safe_psql('db1', 'DROP TABLE w.dropped');
my %all = map { %{ $files{$_} } } qw(p1 p2 p3);
kept({ %all, %{ $files{dropped} } }, 'prepared: files are preserved');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'prepared: completed');
gone($files{dropped}, 'prepared: what is committed goes');
kept(\%all, 'prepared: the rest stays when the backup has ended');

$node->stop;
$node->command_ok(
	[ 'pg_checksums', '--check', '-D', $node->data_dir ],
	'prepared: checksums are right, those of the registry as well');
$node->start;
$node->stop('immediate');
$node->start;
kept(\%all, 'prepared: still there after restarts');
is(registries('db1'), 1, 'prepared: as is the registry');
start_fails(
	$node,
	'db1',
	{ destination => 'refused' },
	'55006',
	qr/prepared transaction may unlink files.*'p1', 'p2', 'p3'/s,
	'prepared: a new backup is refused');
kept(\%all, 'prepared: they survive that, too');

$node->safe_psql('db1', q{ROLLBACK PREPARED 'p1'});
$node->safe_psql('db1', q{COMMIT PREPARED 'p2'});
is($node->safe_psql('db1', 'SELECT count(*) FROM w.p1'),
	'120', 'prepared: rolled back');
$node->restart;
gone($files{p2}, 'prepared: committed, unlinked when the server starts');
kept({ %{ $files{p1} }, %{ $files{p3} } }, 'prepared: others are not');
is( $node->safe_psql(
		'db1',
		'SELECT count(*) FROM w.p1 UNION ALL SELECT count(*) FROM w.p2'),
	"120\n1",
	'prepared: with the right rows');

# a crash, with a backup of the other database only
make_tables('db2');
$files{other} = files_of('db2', 'dropped');
hold_pg_dump($node);
$id = start_backup($node, 'db2', destination => 'prepared-' . ++$n);
$node->safe_psql('db2', 'DROP TABLE w.dropped');
kept($files{other}, 'prepared: a file of another database');
crash(pid_of($id, 'leader'));
release_pg_dump($node);
gone($files{other}, 'prepared: that goes after a crash');
kept($files{p3}, 'prepared: but not the one whose transaction is prepared');

$node->safe_psql('db1', q{COMMIT PREPARED 'p3'});
is($node->safe_psql('db1', 'SELECT count(*) FROM w.p3'),
	'1', 'prepared: committed');
hold_pg_dump($node);
$id = start_backup($node, 'db1', destination => 'prepared-' . ++$n);
gone($files{p3}, 'prepared: committed, unlinked when the next backup starts');
is(registries('db1'), 0, 'prepared: and the registry is gone');
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'prepared: that backup completes');
no_orphans($node, 'prepared: nothing is left');
kept($files{p1}, 'prepared: and nothing is lost');

# Too much is preserved: the backup fails, nothing else does.
sub start_limited
{
	my ($db, $limit, %args) = @_;
	return $node->safe_psql($db,
		"SET backup_bgw.max_preserved_size = '$limit'; SELECT "
		  . start_sql(destination => 'limited-' . ++$n, %args));
}

make_tables('db1');
$files{truncated} = files_of('db1', 'truncated');
hold_pg_dump($node);
$id = start_limited('db1', '8kB');
my ($ret, $out, $err) = $node->psql('db1',
	'TRUNCATE w.truncated; SELECT count(*) FROM w.truncated');
is("$ret $out $err", '0 0 ', 'limit: TRUNCATE works as always');
backup_fails(
	$node,
	$id,
	qr/^files preserved for the backup would take more than backup_bgw\.max_preserved_size \(8 kB\)/,
	'limit');
release_pg_dump($node);
gone($files{truncated}, 'limit: the files are gone');
no_orphans($node, 'limit: nothing is left');
like(
	slurp_file($node->logfile),
	qr/ERROR:  files preserved for the backup would take more than/,
	'limit: it is in the log');

# What was read counts no more.
$node->safe_psql(
	'db1', q{
	DROP SCHEMA w CASCADE; CREATE SCHEMA w;
	CREATE TABLE w.first AS SELECT i FROM generate_series(1, 1500) i;
	CREATE TABLE w.last AS TABLE w.first;
	CREATE TABLE w.big AS SELECT i FROM generate_series(1, 100000) i;});
my $size = $node->safe_psql('db1', q{SELECT pg_relation_size('w.first')});
hold_pg_dump($node);
$id = start_limited(
	'db1', int($size * 1.5 / 1024) . 'kB',
	max_rate => '200kB',
	jobs => 1);
$node->safe_psql('db1', 'TRUNCATE w.first');
cmp_ok(progress($node, $id, 'preserved_bytes'),
	'>=', $size, 'limit: what is preserved is counted');
release_pg_dump($node);
$node->poll_query_until('postgres',
	"SELECT preserved_bytes = 0 FROM backup_progress WHERE backup_id = $id")
  or die 'nothing is released';
$node->safe_psql('db1', 'TRUNCATE w.last');
is(progress($node, $id, q{preserved_bytes || ' ' || files_preserved}),
	"$size 2", 'limit: not any more when it has been read');
is(progress($node, $id, 'phase'), 'copying', 'limit: the backup goes on');
$node->safe_psql('postgres', "SELECT cancel_backup($id)");
is(wait_backup($node, $id), 'cancelled', 'limit: cancelled');
no_orphans($node,
	'limit: nothing is left of what was read, and of what was not');

# Nor does a file count twice whose transaction is tried again.
$node->safe_psql('db1',
	q{DROP TABLE w.last; CREATE TABLE w.last AS SELECT i FROM generate_series(1, 1500) i}
);
hold_pg_dump($node);
$id = start_limited('db1', int($size * 1.5 / 1024) . 'kB');
$node->safe_psql('db1',
	q{BEGIN; TRUNCATE w.last; PREPARE TRANSACTION 'again'});
$node->safe_psql('db1', q{ROLLBACK PREPARED 'again'});
$node->safe_psql('db1', 'TRUNCATE w.last');
release_pg_dump($node);
is(wait_backup($node, $id),
	'completed',
	'limit: a transaction that is tried again does not count twice')
  or diag(history($node, $id, 'error'));
is(history($node, $id, 'files_preserved'),
	'1', 'limit: one file was preserved');
no_orphans($node, 'limit: nothing is left of it');

# The registry cannot be written: the backup fails, nothing else does.
my $oid = $node->safe_psql('db1',
	q{SELECT oid FROM pg_database WHERE datname = 'db1'});
make_tables('db1');
$files{truncated} = files_of('db1', 'truncated');
hold_pg_dump($node);
$id = start_backup($node, 'db1', destination => 'unwritable-' . ++$n);
my @blocked = map { $node->data_dir . "/base/$oid/${_}_vm" } 9700 .. 9955;
foreach (@blocked)
{
	append_to_file($_, '');
	chmod 0, $_ or die "could not chmod \"$_\": $!";
}
($ret, $out, $err) = $node->psql('db1',
	'TRUNCATE w.truncated; DROP TABLE w.dropped; SELECT count(*) FROM w.truncated'
);
is("$ret $out $err",
	'0 0 ',
	'registry cannot be written: TRUNCATE and DROP TABLE work as always');
unlink $_ or die "could not unlink \"$_\": $!" for @blocked;
backup_fails($node, $id, qr/Permission denied/, 'registry cannot be written');
release_pg_dump($node);
gone($files{truncated}, 'registry cannot be written: the files are gone');
no_orphans($node, 'registry cannot be written: nothing is left');
backup_ok($node, 'db1', name => 'registry cannot be written: a later backup');

# Two backups of one database: what both need stays for both.
make_tables('db1');
my @texts = (dump_text($node, 'db1'));
hold_pg_dump($node);
my @ids = start_backup($node, 'db1', destination => 'two-' . ++$n);
my $first = wait_held($node);
kill 'STOP', $first or die "could not stop $first";
$files{first} = files_of('db1', 'vacuumed');
$node->safe_psql('db1', 'VACUUM FULL w.vacuumed');
$node->safe_psql('db1', 'INSERT INTO w.big VALUES (0, NULL)');
$texts[1] = dump_text($node, 'db1');
hold_pg_dump($node);
push @ids, start_backup($node, 'db1', destination => 'two-' . ++$n);
wait_held($node);
$files{both} =
  files_of('db1', qw(truncated dropped altered there moved unlogged));
$files{second} = files_of('db1', qw(vacuumed));
change_tables('db1');
my $after = contents('db1');
kept({ map { %{ $files{$_} } } qw(first both second) },
	'two backups: files are preserved');
release_pg_dump($node);
is(wait_backup($node, $ids[1]),
	'completed', 'two backups: the second is completed first');
gone($files{second}, 'two backups: what only that one needed is unlinked');
kept({ map { %{ $files{$_} } } qw(first both) },
	'two backups: the rest is not');
is(progress($node, $ids[0], 'phase'),
	'schema', 'two backups: the first goes on');
kill 'CONT', $first or die "could not continue $first";
is(wait_backup($node, $ids[0]),
	'completed', 'two backups: the first is completed');
gone(
	{ map { %{ $files{$_} } } qw(first both) },
	'two backups: everything is unlinked');
no_orphans($node, 'two backups: nothing is left');
same_text(archive_text($node, history($node, $ids[$_], 'destination')),
	$texts[$_], "two backups: backup $_ is as of its own time")
  for 0 .. 1;
is(contents('db1'), $after,
	'two backups: the tables are as the transactions left them');

unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|leaked?\b|still referenced|could not (remove|truncate) file|unexpected data|invalid page/,
	'nothing suspicious in the log');

$node->stop;
$node->command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ],
	'checksums are right in the end');
done_testing();
