
# Transactions with DDL that are open, or prepared, when the snapshot of a backup
# is taken, or that are prepared during it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use DdlKinds;

my $node = new_node('main',
	conf => "autovacuum = off\nmax_prepared_transactions = 10\n");
# REFRESH MATERIALIZED VIEW CONCURRENTLY has a temporary table, so it cannot be
# prepared
my @kinds = ddl_create_db($node, 'ddl_template',
	grep { !$_->{alone} && $_->{ddl} !~ /CONCURRENTLY/ } ddl_kinds());

# One transaction with the DDL of all kinds, and each ended
sub open_transaction
{
	my ($session, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	session_query($session,
		q{SET statement_timeout = '60s'; SET client_min_messages = warning; BEGIN}
	);
	foreach my $kind (@kinds)
	{
		is( session_error(
				$session,
				"SET search_path = $kind->{schema}, public;\n$kind->{ddl}"),
			'',
			"$kind->{name}, $when: done");
	}
	return;
}

# Has the DDL had its effects, or has it not?
sub check_effects
{
	my ($db, $committed, $stock, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	if ($committed)
	{
		is( $node->safe_psql(
				$db, "SET search_path = $_->{schema}, public; $_->{then}[0]"),
			$_->{then}[1],
			"$_->{name}, $when: had its effect"
		) for grep { $_->{then} } @kinds;
	}
	else
	{
		same_text(
			dump_text($node, $db),
			archive_text($node, $stock),
			"$when: the database is as before");
	}
	return;
}

# The transaction is begun before S, or after it; prepared after S, or not; ended
# by a command, before pg_dump reads anything.
foreach my $case (
	[
		'committed', 'open when S is taken, then committed',
		1, undef, 'COMMIT'
	],
	[
		'rolled_back', 'open when S is taken, then rolled back',
		1, undef, 'ROLLBACK'
	],
	[ 'later', 'begun after S, rolled back', 0, undef, 'ROLLBACK' ],
	[
		'commit_prepared',
		'open when S is taken, then prepared and committed',
		1, 'p', q{COMMIT PREPARED 'p'}
	],
	[
		'rollback_prepared',
		'open when S is taken, then prepared and rolled back',
		1, 'p', q{ROLLBACK PREPARED 'p'}
	],
	[
		'later_prepared', 'begun and prepared after S, then committed',
		0, 'p', q{COMMIT PREPARED 'p'}
	],
	[ 'open', 'open all the time', 1, undef, undef ],
	[
		'prepared_all_the_time',
		'open when S is taken, then prepared, all the time',
		1, 'p', undef
	])
{
	my ($db, $when, $before, $gid, $end) = @$case;
	my $committed = $end && $end =~ /COMMIT/ ? 1 : 0;
	ddl_copy_db($node, $db, 'ddl_template');
	my $stock = stock_dump($node, $db);
	my $session = new_session($node, $db);
	open_transaction($session, $when) if $before;
	hold_pg_dump($node, 1);
	my ($id, $caller) =
	  start_in_background($node, $db, { destination => $db });
	wait_held($node);
	open_transaction($session, $when) unless $before;

	if ($gid)
	{
		is(session_error($session, "PREPARE TRANSACTION '$gid'"),
			'', "$when: PREPARE TRANSACTION");
		is( $node->safe_psql(
				'postgres', 'SELECT count(*) FROM pg_prepared_xacts'),
			'1',
			"$when: it is prepared");
	}
	is(session_error($session, $end), '', "$when: $end") if $end;
	is(progress($node, $id, 'phase'),
		'starting', "$when: while the backup ran");
	check_effects($db, $committed, $stock, $when) if $end;
	release_pg_dump($node);
	$caller->quit;
	if (is( wait_backup($node, $id),
			'completed',
			"$when: the backup is completed"))
	{
		ddl_check($node, history($node, $id, 'destination'),
			$stock, $when, @kinds);
	}
	else
	{
		diag(history($node, $id, 'error'));
	}
	session_query($session, $gid ? "ROLLBACK PREPARED '$gid'" : 'ROLLBACK')
	  unless $end;
	$session->quit;
	# what was prepared until now, the next backup looks after
	backup_ok(
		$node, $db,
		destination => "$db-again",
		name => "$when: the next backup") if $gid && !$end;
	check_effects($db, $committed, $stock, "$when, after the backup");
	no_orphans($node, "$when: no file is left or missing", $db);
}

# A table that is locked all the time can be read nevertheless, even if by then
# it has other files; and nothing has happened to it if that is rolled back.
foreach my $case (
	[ 'locked', 'LOCK TABLE t IN ACCESS EXCLUSIVE MODE' ],
	[ 'truncated', q{TRUNCATE t; INSERT INTO t VALUES (1, 'new')} ],
	[ 'dropped', 'DROP TABLE t' ],
	[ 'rewritten', 'ALTER TABLE t ALTER id TYPE text; ALTER TABLE t DROP v' ],
	[ 'clustered', 'CLUSTER t USING t_pkey' ])
{
	my ($name, $ddl) = @$case;
	create_db(
		$node, $name, sql => q{
		CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE external;
		INSERT INTO t SELECT i, repeat(md5(i::text), 80) FROM generate_series(1, 100) i; CREATE TABLE other AS SELECT 1 AS a;}
	);
	my $stock = stock_dump($node, $name);
	my $session = new_session($node, $name);
	session_query($session, "BEGIN; $ddl");
	my $id = start_backup($node, $name, destination => $name);
	is(wait_backup($node, $id),
		'completed', "$name by an open transaction: the backup is completed")
	  or diag(history($node, $id, 'error'));
	my $archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock, "$name by an open transaction")
	  if -e $archive;
	session_query($session, 'ROLLBACK');
	$session->quit;
	same_text(
		dump_text($node, $name),
		archive_text($node, $stock),
		"$name by an open transaction, rolled back: the database is as before"
	);
}

# pg_dump asks for the definition of a view, which needs both tables, when one is
# locked.  Whoever has locked it gets the other one nevertheless.
{
	create_db(
		$node, 'view', sql => q{
		CREATE TABLE t1 (id int, v text); CREATE TABLE t2 (id int, w text); INSERT INTO t1 VALUES (1, 'v'); INSERT INTO t2 VALUES (1, 'w');
		CREATE VIEW v AS SELECT * FROM t2 JOIN t1 USING (id); CREATE VIEW w AS SELECT * FROM t1 JOIN t2 USING (id);}
	);
	my $stock = stock_dump($node, 'view');
	my $session = new_session($node, 'view');
	session_query($session,
		q{SET deadlock_timeout = '10ms'; BEGIN; TRUNCATE t1});
	my $id = start_backup($node, 'view', destination => 'view');
	is(session_error($session, 'TRUNCATE t2; COMMIT'),
		'', 'no deadlock over a view');
	$session->quit;
	is(wait_backup($node, $id),
		'completed', 'no deadlock over a view: the backup is completed')
	  or diag(history($node, $id, 'error'));
	archives_equal(
		$node, history($node, $id, 'destination'),
		$stock, 'no deadlock over a view');
}

# Prepared during the backup, and ended after it.  Until then its files stay, and
# what nobody needs after that, the next backup removes.
foreach my $how ('completed', 'cancelled')
{
	foreach my $end ('COMMIT', 'ROLLBACK')
	{
		my $db = lc("outlives_${how}_$end");
		my $when = "prepared during a $how backup, $end PREPARED after it";
		create_db(
			$node, $db, sql => q{
			CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE external;
			INSERT INTO t SELECT i, repeat(md5(i::text), 80) FROM generate_series(1, 100) i;
			CREATE TABLE d AS SELECT * FROM t; CREATE TABLE r AS SELECT * FROM t; CREATE TABLE x AS SELECT * FROM t;}
		);
		my $stock = stock_dump($node, $db);
		hold_pg_dump($node);
		my $id = start_backup($node, $db, destination => $db);
		wait_held($node);
		$node->safe_psql(
			$db, q{
			BEGIN; TRUNCATE t; DROP TABLE d; ALTER TABLE r ALTER id TYPE bigint; ALTER TABLE x SET UNLOGGED; CLUSTER t USING t_pkey;
			PREPARE TRANSACTION 'outlives'});
		is($node->safe_psql('postgres', "SELECT cancel_backup($id)"),
			't', "$when: cancel")
		  if $how eq 'cancelled';
		release_pg_dump($node);
		is(wait_backup($node, $id), $how, "$when: the backup is $how")
		  or diag(history($node, $id, 'error'));
		my $archive = history($node, $id, 'destination');
		archives_equal($node, $archive, $stock, $when) if -e $archive;
		$node->restart if $end eq 'ROLLBACK';
		$node->safe_psql($db, "$end PREPARED 'outlives'");
		if ($end eq 'ROLLBACK')
		{
			same_text(
				dump_text($node, $db),
				archive_text($node, $stock),
				"$when: the database is as before");
		}
		else
		{
			is( $node->safe_psql(
					$db,
					q{SELECT (SELECT count(*) FROM t), to_regclass('d'), (SELECT count(*) FROM r)}
				),
				'0||100',
				"$when: it had its effects");
		}
		backup_ok(
			$node, $db,
			destination => "$db-again",
			name => "$when: the next backup");
		no_orphans($node, "$when: no file is left or missing", $db);
	}
}

# Prepared before: the files go at COMMIT PREPARED, and nobody can keep them.
my $prepare =
  q{BEGIN; TRUNCATE t; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'my "gid"'};
create_db($node, 'prepared',
	sql => 'CREATE TABLE t (a int); INSERT INTO t VALUES (1)');
create_db($node, 'neighbour',
	sql => 'CREATE TABLE t (a int); INSERT INTO t VALUES (1)');
$node->safe_psql('prepared', $prepare);
start_fails(
	$node, 'prepared', { destination => 'prepared' },
	'55006',
	qr/prepared transaction.*my "gid"/s,
	'prepared before');
start_fails(
	$node,
	'prepared',
	{ destination => 'prepared' },
	'55006',
	qr/my "gid"/,
	'prepared before, setting error',
	set => [q{backup_bgw.prepared_transactions = 'error'}]);
start_fails(
	$node,
	'prepared',
	{ destination => 'prepared' },
	'57014',
	qr/statement timeout/,
	'prepared before, setting wait: the caller gives up',
	set => [
		q{backup_bgw.prepared_transactions = 'wait'},
		q{statement_timeout = '1s'}
	]);
{
	my ($ret, $stdout, $stderr) = $node->psql('prepared',
		q{SET backup_bgw.prepared_transactions = 'perhaps'});
	like(
		$stderr,
		qr/invalid value for parameter "backup_bgw.prepared_transactions"/,
		'other values of the setting');
}
backup_ok($node, 'neighbour',
	name => 'prepared before: backup of another database');
foreach my $end ('ROLLBACK', 'COMMIT')
{
	my ($id, $caller) = start_in_background(
		$node, 'prepared',
		{ destination => "after_$end" },
		set => [q{backup_bgw.prepared_transactions = 'wait'}]);
	is( progress($node, $id, 'phase'),
		'starting',
		"prepared before, setting wait, $end PREPARED: start_backup() waits");
	# if S were taken by now, this table would not be in the backup
	$node->safe_psql('prepared', "CREATE TABLE before_$end (a int)");
	$node->safe_psql('prepared', qq{$end PREPARED 'my "gid"'});
	$caller->quit;
	is(wait_backup($node, $id), 'completed', "and then makes the backup");
	my $text = archive_text($node, history($node, $id, 'destination'));
	like($text, qr/CREATE TABLE public.before_$end /i, 'as of after that');
	like(
		$text,
		$end eq 'COMMIT'
		? qr/^COPY public.t \(a\) FROM stdin;\n2\n\\\.$/m
		: qr/^COPY public.t \(a\) FROM stdin;\n1\n\\\.$/m,
		'with its rows');
	$node->safe_psql('prepared', $prepare) if $end eq 'ROLLBACK';
}

# Prepared transactions that drop no files do not matter.
$node->safe_psql('prepared',
	q{BEGIN; INSERT INTO t VALUES (3); PREPARE TRANSACTION 'harmless'});
backup_ok($node, 'prepared', name => 'prepared before, but without DDL');
$node->safe_psql('prepared', q{COMMIT PREPARED 'harmless'});

no_orphans($node, 'all files of what was dropped are gone');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
