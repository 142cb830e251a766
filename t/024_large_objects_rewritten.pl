
# Large objects are read piece by piece, with no lock kept in between.  What
# others do meanwhile must not wait for the backup, nor be seen in it: VACUUM FULL
# and REINDEX, after which the rest is in other files.  Where catalogs are read
# from their present files, with wal_level = logical and from 19 on, it is read
# from those; else from S's, which are kept.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run;
use Test::More;
use BackupBgwTest;
use HeldWrites;

my $holder_sql = 'BEGIN; LOCK TABLE pg_largeobject';

foreach my $wal_level ('replica', 'logical')
{
	my $node = new_node(
		$wal_level,
		start => 0,
		conf => "autovacuum = off\nwal_level = $wal_level\n");
	start_with_held_writes($node);
	$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');

	# 1 is the biggest, and not to be compressed
	my $made = q{
		SELECT count(lo_from_bytea(10000 + i, decode(repeat(md5(i::text), 200), 'hex'))) FROM generate_series(1, 2000) i;
		SELECT lo_from_bytea(1, decode((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 400000) i), 'hex'));
		SELECT count(lo_put(oid, 3000, 'updated')) FROM pg_largeobject_metadata;};
	my $own_files = $wal_level eq 'replica' && major($node) < 19;

	foreach my $jobs (1, 4)
	{
		my $name = "$wal_level, $jobs jobs";
		my $db = "large$jobs";
		create_db($node, $db, sql => $made);
		my $stock = stock_dump($node, $db);

		# in the middle of the biggest one, or of several
		hold_writes();
		my $id = start_backup(
			$node, $db,
			destination => $db,
			jobs => $jobs,
			compression => $jobs == 1 ? 'lz4' : 'none');
		my $pid = held_writer();
		is( $node->safe_psql(
				'postgres',
				"SELECT relation FROM backup_workers WHERE backup_id = $id AND pid = $pid"
			),
			'pg_catalog.pg_largeobject',
			"$name: a worker is held");

		# pg_dump needs nothing any more
		poll_perl(sub { progress($node, $id, 'phase') eq 'copying' },
			'pg_dump to end');
		foreach my $command (
			'SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata WHERE oid::int % 2 = 0',
			q{SELECT count(lo_put(oid, 1000, 'changed')) FROM pg_largeobject_metadata},
			q{SELECT lo_put(1, 5000000, 'changed'), lo_from_bytea(10002, 'new'), lo_from_bytea(7, 'new')},
			'VACUUM FULL pg_largeobject',
			'VACUUM FULL pg_largeobject_metadata',
			'REINDEX TABLE pg_largeobject',
			'REINDEX INDEX pg_largeobject_loid_pn_index',
			'VACUUM FULL pg_largeobject',
			'SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata',
			'VACUUM pg_largeobject')
		{
			local $ENV{PGOPTIONS} = '-c statement_timeout='
			  . int($PostgreSQL::Test::Utils::timeout_default / 4) . 's';
			my ($ret, $out, $err) = $node->psql($db, $command);
			is($ret, 0, "$name: $command") or diag($err);
		}
		is(progress($node, $id, 'pid') ne '',
			1, "$name: the backup still runs");
		release_writes();
		is(wait_backup($node, $id), 'completed', "$name: completed")
		  or diag(history($node, $id, 'error'));
		my $archive = history($node, $id, 'destination');
		archives_equal($node, $archive, $stock, $name) if -e $archive;
		no_orphans($node, "$name: all files of what was rewritten are gone",
			$db);
	}

	# Somebody has it locked.  S's files are read all the same, present ones when
	# it is unlocked.
	my $name = "$wal_level, locked";
	create_db($node, 'locked', sql => $made);
	my $stock = stock_dump($node, 'locked');
	my $holder = new_session($node, 'locked');
	session_query($holder, $holder_sql);
	my $id = start_backup($node, 'locked', destination => 'locked');
	if ($own_files)
	{
		is(wait_backup($node, $id), 'completed', "$name: completed");
		session_query($holder, 'COMMIT');

		# nor is it known then which there are
		session_query($holder, "$holder_sql, pg_largeobject_metadata");
		my $unknown =
		  start_backup($node, 'locked', destination => 'unknown', jobs => 1);
		is(wait_backup($node, $unknown),
			'completed', "$name, the list, too: completed");
		session_query($holder, 'COMMIT');
		archives_equal($node, history($node, $unknown, 'destination'),
			$stock, "$name, the list, too");
	}
	else
	{
		poll_perl(sub { progress($node, $id, 'phase') eq 'copying' },
			'pg_dump to end');
		is(progress($node, $id, 'bytes_done'), 0, "$name: waits");
		session_query($holder, 'COMMIT');
		is(wait_backup($node, $id), 'completed', "$name: completed");
	}
	my $archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock, $name) if -e $archive;
	$holder->quit;

	# There is always somebody who has it locked, and another one who waits.
	$name = "$wal_level, always locked";
	my $script = $node->basedir . '/lock.sql';
	append_to_file($script, "BEGIN; LOCK TABLE pg_largeobject; COMMIT;\n");
	my $storm = IPC::Run::start(
		[
			'pgbench', '-n', '-c', 3, '-T', 600, '-f', $script,
			$node->connstr('locked')
		],
		'>',
		'/dev/null',
		'2>',
		'/dev/null');
	$node->poll_query_until('locked',
		"SELECT count(*) > 1 FROM pg_locks WHERE relation = 'pg_largeobject'::regclass"
	) or die;
	$id = start_backup($node, 'locked', destination => 'always_locked');
	is(wait_backup($node, $id), 'completed', "$name: completed")
	  or diag(history($node, $id, 'error'));
	$storm->signal('TERM');
	$storm->finish;
	$archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock, $name) if -e $archive;

	# Where files of S are read, these keep index entries of rows that are gone,
	# and so are their pages.
	my $written =
	  q{decode((SELECT string_agg(md5(concat(i, j)), '') FROM generate_series(1, 60000) j), 'hex')};
	create_db(
		$node, 'cut',
		sql =>
		  qq{SELECT lo_from_bytea(i, $written) FROM generate_series(1, 8) i;
			BEGIN; SELECT count(lo_put(i, 0, $written)) FROM generate_series(1, 8) i; ROLLBACK}
	);
	$stock = stock_dump($node, 'cut');
	hold_writes();
	$id = start_backup($node, 'cut', destination => 'cut', jobs => 1);
	held_writer();
	$node->safe_psql('cut', $_)
	  foreach 'REINDEX TABLE pg_largeobject', 'VACUUM pg_largeobject';
	cmp_ok(
		$node->safe_psql('cut', "SELECT pg_relation_size('pg_largeobject')"),
		'<', 12000000, "$wal_level, cut: pages are gone");
	release_writes();
	is(wait_backup($node, $id), 'completed', "$wal_level, cut: completed")
	  or diag(history($node, $id, 'error'));
	$archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock, "$wal_level, cut")
	  if -e $archive;

	# Somebody waits for pg_largeobject all the time, whose rows are all updated,
	# one of them very often: locks are given up again and again, the worker gets
	# on, and reads each row once.
	if ($own_files)
	{
		create_db($node, 'wanted',
			sql =>
			  q{SELECT lo_create(1); SELECT lo_from_bytea(i, decode((SELECT string_agg(md5(concat(i, j)), '') FROM generate_series(1, 200000) j), 'hex')) FROM generate_series(2, 4) i; SELECT lo_create(5)}
		);
		my $old = new_session($node, 'wanted');
		session_query($old,
			'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
		$node->safe_psql('wanted',
			q{DO $$ BEGIN FOR i IN 1..8000 LOOP PERFORM lo_put(5, 0, sha512(i::text::bytea)); COMMIT; END LOOP; END $$}
		);
		$stock = stock_dump($node, 'wanted');
		$id = start_backup(
			$node, 'wanted',
			destination => 'wanted',
			jobs => 1,
			max_rate => '4MB');
		$node->safe_psql('wanted',
			'SET allow_system_table_mods = on; UPDATE pg_largeobject SET data = data WHERE loid < 5'
		) for 1 .. 6;
		$holder = new_session($node, 'wanted');
		session_query($holder, q{BEGIN; SELECT lo_put(1, 0, 'x')});
		my $waiter = new_session($node, 'wanted');
		$waiter->query_until(qr/^waiting$/m,
			"\\echo waiting\nBEGIN; LOCK TABLE pg_largeobject; COMMIT;\n");
		is(wait_backup($node, $id),
			'completed', "$wal_level, wanted: completed")
		  or diag(history($node, $id, 'error'));
		$archive = history($node, $id, 'destination');
		archives_equal($node, $archive, $stock, "$wal_level, wanted")
		  if -e $archive;
		$_->quit foreach $old, $holder, $waiter;
	}

	# A worker ends in the midst of it.
	hold_writes();
	$id = start_backup($node, 'locked', destination => 'killed', jobs => 2);
	my $pid = held_writer();
	my $destination = progress($node, $id, 'destination');
	kill 'TERM', $pid;
	release_writes();
	is(wait_backup($node, $id), 'failed', "$wal_level, worker ended: failed");
	ok( !-e $destination && !-e "$destination.partial",
		"$wal_level, worker ended: nothing is left");
	unlike(
		slurp_file($node->logfile),
		qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
		"$wal_level: nothing crashed or leaked");
	unlike(
		slurp_file($node->logfile),
		qr/needs of pg_dump/,
		"$wal_level: how pg_dump was ended is not in the log");
	$node->stop;
}
done_testing();
