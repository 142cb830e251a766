
# From version 19 on, the first logical slot enables logical decoding while the
# server runs, and when the last one is gone it is disabled again.  From that on
# the server looks for catalogs, and for tables that say they are like catalogs,
# in other files.  A backup must not mind, in whatever phase it is.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use DdlKinds;

my ($version) = `pg_config --version` =~ /(\d+)/;
plan skip_all => 'logical decoding is enabled by wal_level alone before 19'
  if $version < 19;

my $node = new_node('main', conf => "autovacuum = off\n");

# Definitions whose reading takes indexes of many catalogs, and tables that are
# read after the gate.
my $tables = join '', map {
	qq{CREATE TABLE t$_ (id int PRIMARY KEY, v text DEFAULT 'd$_', CHECK (id > -$_));
	INSERT INTO t$_ SELECT i, repeat(md5(i::text), i) FROM generate_series(1, 90) i;
	CREATE INDEX ON t$_ (v) WHERE id > $_;
	CREATE VIEW v$_ AS SELECT id, upper(v) AS u FROM t$_;
	CREATE TRIGGER tg$_ BEFORE UPDATE ON t$_ FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
	CREATE TYPE e$_ AS ENUM ('a$_', 'b$_');
	CREATE TABLE x$_ (e e$_, r t$_); INSERT INTO x$_ VALUES ('a$_', (1, 'x$_'));
	COMMENT ON TABLE t$_ IS 'comment $_';
	CREATE FUNCTION f$_() RETURNS int LANGUAGE sql AS 'SELECT $_';}
} 1 .. 5;
my $like_catalogs = join '',
  map { "ALTER TABLE t$_ SET (user_catalog_table = true);" } 1 .. 5;
create_db($node, 'plain', sql => $gate . $tables);
create_db($node, 'like_catalogs', sql => $gate . $tables . $like_catalogs);

# Every table gets another file, in one way or the other; catalogs get others
# twice, so that what is unlinked the second time is not kept for the backup.
my $ddl = q{
	TRUNCATE t1;
	DROP TABLE t2 CASCADE;
	DELETE FROM t3 WHERE id > 5; VACUUM FULL t3;
	CLUSTER t4 USING t4_pkey; TRUNCATE t4; INSERT INTO t4 VALUES (1, 'new');
	DROP TYPE e5 CASCADE;
	TRUNCATE t5;
	SELECT count(*) FROM (SELECT pg_catalog.pg_relation_filepath('t5')) s};
my @catalogs = qw(pg_constraint pg_rewrite pg_trigger pg_attrdef pg_enum
  pg_index pg_depend pg_description pg_namespace pg_largeobject_metadata);
my @rewrites = (
	(   map { "VACUUM FULL $_" } @catalogs, 'pg_class', 'pg_attribute',
		'pg_type'),
	'REINDEX TABLE pg_class');

sub effective
{
	return $node->safe_psql('postgres', 'SHOW effective_wal_level');
}

sub enable
{
	$node->safe_psql('postgres',
		q{SET statement_timeout = '60s'; SELECT pg_create_logical_replication_slot('flip', 'test_decoding')}
	);
	return;
}

sub disable
{
	my $none = $node->safe_psql('postgres',
		q{SELECT pg_drop_replication_slot('flip'); SELECT count(*) = 0 FROM pg_replication_slots}
	);
	if ($none =~ /^t$/m)
	{
		poll_perl(
			sub { effective() eq 'replica' },
			'logical decoding to be disabled');
	}
	return;
}

# How a backup comes to a phase and is kept there, without any of its processes
# being stopped: all must take notice of what is enabled.  Returns its id and what
# lets it go on.
my $rate;
my %phases = (
	starting => sub {
		my ($db) = @_;
		hold_pg_dump($node, 1);
		my ($id, $caller) =
		  start_in_background($node, $db, { destination => $db });
		wait_held($node);
		return ($id, sub { release_pg_dump($node); $caller->quit });
	},
	schema => sub {
		my ($db) = @_;
		hold_pg_dump($node);
		my $id = start_backup($node, $db, destination => $db);
		wait_held($node);
		return ($id, sub { release_pg_dump($node) });
	},
	copying => sub {
		my ($db) = @_;
		my $id = start_backup(
			$node, $db,
			destination => $db,
			jobs => 1,
			max_rate => $rate);
		$node->poll_query_until('postgres',
			"SELECT count(*) > 0 FROM backup_workers WHERE backup_id = $id AND relation = 'public.gate' AND bytes_done > 0"
		) or die 'the gate is not read';
		return ($id, sub { });
	});

my $n = 0;

# One backup of a copy of the database.  Returns false if it was too fast.
sub try
{
	my ($template, $phase, $before, $last) = @_;
	my $name =
	  "$template, $phase, enabled " . ($before ? 'before S' : 'just then');
	my $db = $template . '_' . ++$n;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ddl_copy_db($node, $db, $template);
	my $stock = stock_dump($node, $db);
	my $session = new_session($node, $db);
	session_query($session,
		q{SET statement_timeout = '60s'; SET client_min_messages = warning});
	session_query($session, $_) for $before ? @rewrites : ();
	enable() if $before;
	my ($id, $go_on) = $phases{$phase}->($db);

	enable() unless $before;
	session_query($session, "$_;") for $ddl, @rewrites;
	disable();
	session_query($session, "$_;") for @rewrites;
	enable();
	my $running = progress($node, $id, 'phase') eq $phase;
	$go_on->();
	my $status = wait_backup($node, $id);
	my $archive = history($node, $id, 'destination');
	my $error = history($node, $id, 'error');
	disable();
	$session->quit;
	return 0 unless $running || $last || $status ne 'completed';

	ok($running, "$name: the backup was $phase all the time");
	is($status, 'completed', "$name: the backup is completed")
	  or diag($error);
	archives_equal($node, $archive, $stock, $name) if -e $archive;
	return 1;
}

is(effective(), 'replica', 'logical decoding is disabled');
foreach my $template ('plain', 'like_catalogs')
{
	foreach my $phase ('starting', 'schema', 'copying')
	{
		foreach my $before (0, 1)
		{
			my @rates =
			  $phase eq 'copying' ? ('1MB', '300kB', '100kB') : ('1MB');
			while ($rate = shift @rates)
			{
				last if try($template, $phase, $before, !@rates);
				note("$phase: once more at less than $rate/s");
			}
		}
	}
}

# On and off without a pause, from before S to the end, beside all of that.
foreach my $template ('plain', 'like_catalogs')
{
	my $db = "${template}_storm";
	ddl_copy_db($node, $db, $template);
	my $stock = stock_dump($node, $db);
	my $flip = new_session($node, 'postgres');
	my $session = new_session($node, $db);
	session_query($session,
		q{SET statement_timeout = '60s'; SET client_min_messages = warning});
	$flip->query_until(
		qr/^begun$/m, q{
		SET statement_timeout = 0;
		\echo begun
		DO $$ BEGIN
			WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'enough') LOOP
				PERFORM pg_create_logical_replication_slot('flip', 'test_decoding', true);
				COMMIT;
				PERFORM pg_drop_replication_slot('flip');
				PERFORM pg_sleep(0.03);
				COMMIT;
			END LOOP;
		END $$;
		});
	my $id = start_backup(
		$node, $db,
		destination => $db,
		jobs => 2,
		max_rate => '4MB');
	session_query($session, "$_;") for $ddl, @rewrites, @rewrites;
	is(wait_backup($node, $id),
		'completed', "$template, on and off: the backup is completed")
	  or diag(history($node, $id, 'error'));
	session_query($session, q{SET application_name = 'enough'});
	$flip->quit;
	my $archive = history($node, $id, 'destination');
	archives_equal($node, $archive, $stock, "$template, on and off")
	  if -e $archive;
	$session->quit;
}

# A session as of S that has a catalog open already: it must not then read it by
# an index of the present.
foreach my $template ('plain', 'like_catalogs')
{
	my $db = "${template}_session";
	ddl_copy_db($node, $db, $template);
	# rows are elsewhere after a rewrite
	$node->safe_psql($db, "COMMENT ON TABLE gate IS 'comment $_'")
	  for 1 .. 20;
	hold_pg_dump($node);
	my $id = start_backup($node, $db, destination => $db);
	$node->safe_psql($db, $_)
	  for 'COMMENT ON TABLE gate IS NULL',
	  'CLUSTER pg_description USING pg_description_o_c_o_index';
	my $session = new_session($node, $db);
	session_query($session,
		"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'; SET enable_seqscan = off"
	);
	session_query($session, q{SELECT pg_relation_size('pg_description')});
	enable();
	is( session_query(
			$session,
			q{SELECT string_agg(obj_description(oid, 'pg_class'), ', ' ORDER BY relname) FROM pg_class WHERE relname IN ('t1', 't2', 't3', 't4', 't5', 'gate')}
		),
		'comment 20, comment 1, comment 2, comment 3, comment 4, comment 5',
		"$template, a session as of S: sees a catalog by its index");
	session_query($session, 'COMMIT');
	$session->quit;
	disable();
	release_pg_dump($node);
	is(wait_backup($node, $id),
		'completed', "$template, a session as of S: the backup is completed");
}

# What a backup needs for tables that are like catalogs
{
	hold_pg_dump($node);
	my $id = start_backup($node, 'like_catalogs', destination => 'with_slot');
	is( $node->safe_psql(
			'postgres',
			q{SELECT slot_name, temporary, restart_lsn IS NULL, catalog_xmin IS NULL FROM pg_replication_slots}
		),
		"backup_bgw_$id|t|t|t",
		'such tables: a slot that holds nothing back');
	is(effective(), 'logical', 'such tables: logical decoding is enabled');
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', 'such tables: completed');
	$node->poll_query_until('postgres',
		'SELECT count(*) = 0 FROM pg_replication_slots')
	  or die 'the slot stays';
	poll_perl(
		sub { effective() eq 'replica' },
		'logical decoding to be disabled');
	pass('such tables: afterwards logical decoding is disabled again');

	hold_pg_dump($node);
	$id = start_backup($node, 'plain', destination => 'without_slot');
	is( $node->safe_psql(
			'postgres', 'SELECT count(*) FROM pg_replication_slots'),
		'0',
		'no such tables: no slot');
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', 'no such tables: completed');
}

no_orphans($node, 'all files of what was dropped are gone');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
