
# Files that are gone make a backup fail, with an error that names the table.
# They never make an empty one.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");

my @ddl = (
	[ 'truncate', 'TRUNCATE public.victim' ],
	[ 'drop', 'DROP TABLE public.victim' ],
	[ 'drop and create', 'DROP TABLE public.victim; CREATE TABLE public.victim (id int, t text)' ],
	[ 'rewrite', 'ALTER TABLE public.victim ALTER id TYPE bigint' ],
	[ 'new default', 'ALTER TABLE public.victim ADD r float8 DEFAULT random()' ],
	[ 'VACUUM FULL', 'VACUUM FULL public.victim' ],
	[ 'CLUSTER', 'CLUSTER public.victim USING victim_id' ],
	[ 'truncate and load', 'BEGIN; TRUNCATE public.victim; INSERT INTO public.victim SELECT i FROM generate_series(1, 1000) i; COMMIT' ],
	[ 'drop schema', 'ALTER TABLE public.victim SET SCHEMA other; DROP SCHEMA other CASCADE' ],
	[ 'VACUUM FULL of TOAST', q{SELECT format('VACUUM FULL %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 'public.victim'::regclass \gexec} ],
	[ 'REINDEX of TOAST', q{SELECT format('REINDEX TABLE %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 'public.victim'::regclass \gexec} ]);

sub make_victim
{
	my ($db, $options) = @_;
	$node->safe_psql($db, qq{
		DROP TABLE IF EXISTS public.victim; DROP SCHEMA IF EXISTS other CASCADE;
		CREATE SCHEMA other;
		CREATE TABLE public.victim (id int, t text) $options;
		ALTER TABLE public.victim ALTER t SET STORAGE external;
		INSERT INTO public.victim SELECT i, repeat('v', i * 10) FROM generate_series(1, 1000) i;
		CREATE INDEX victim_id ON public.victim (id);});
	return;
}

create_db($node, 'victims', sql => q{CREATE TABLE bystander AS SELECT 1 AS a});
my $n = 0;
foreach my $level ('replica', 'logical')
{
	foreach my $options ('', 'WITH (user_catalog_table = true)')
	{
		next if $options && $level eq 'replica';
		if ($level eq 'logical' && $node->safe_psql('postgres', 'SHOW wal_level') ne 'logical')
		{
			$node->append_conf('postgresql.conf', 'wal_level = logical');
			$node->restart;
		}
		foreach my $case (@ddl)
		{
			my ($name, $sql) = @$case;
			# the server does not rewrite catalog tables
			next if $options && $sql =~ /^ALTER TABLE \S+ (ALTER|ADD)/;
			$name .= ", wal_level $level" . ($options ? ', catalog table' : '');
			make_victim('victims', $options);
			hold_pg_dump($node);
			my $id = start_backup($node, 'victims', destination => 'ddl-' . ++$n);
			wait_held($node);
			# as several commands, for VACUUM
			$node->safe_psql('victims', "$sql\n;");
			release_pg_dump($node);
			backup_fails($node, $id, qr/^"public\.victim" was truncated, rewritten or dropped/, $name);
		}
	}
}

# The same backup without DDL
make_victim('victims', '');
hold_pg_dump($node);
my $id = start_backup($node, 'victims', destination => 'fine');
wait_held($node);
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'without DDL it is completed')
  or diag(history($node, $id, 'error'));

# A catalog that gets new files while pg_dump waits to read it.  With wal_level
# logical the present files are read, which is right; otherwise the backup may
# fail, but must not lack anything.
foreach my $level ('logical', 'replica')
{
	if ($level ne $node->safe_psql('postgres', 'SHOW wal_level'))
	{
		$node->append_conf('postgresql.conf', "wal_level = $level");
		$node->restart;
	}
	# pg_dump has read this one, but that is not known
	hold_pg_dump($node);
	$id = start_backup($node, 'victims', destination => "ts_config-$level");
	wait_held($node);
	$node->safe_psql('victims', 'VACUUM FULL pg_ts_config');
	release_pg_dump($node);
	if ($level eq 'logical')
	{
		is(wait_backup($node, $id), 'completed', "pg_ts_config rewritten, wal_level $level: completed")
		  or diag(history($node, $id, 'error'));
	}
	else
	{
		backup_fails($node, $id, qr/^"pg_catalog\.pg_ts_config\w*" was truncated, rewritten or dropped/, "pg_ts_config rewritten, wal_level $level");
	}

	foreach my $catalog (qw(pg_attrdef pg_constraint pg_trigger pg_description pg_default_acl pg_event_trigger))
	{
		my $db = "${catalog}_$level";
		create_db($node, $db, sql => q{
			CREATE TABLE t (a int DEFAULT 7 CONSTRAINT positive CHECK (a > 0));
			CREATE VIEW v AS SELECT a + 1 AS b FROM t;
			CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
			CREATE TRIGGER tg BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
			COMMENT ON TABLE t IS 'described';
			ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
			CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
			CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION e();
			INSERT INTO t VALUES (1);});
		my $expected = dump_text($node, $db);
		my ($index) = $node->safe_psql($db, "SELECT min(indexrelid::regclass::text) FROM pg_index WHERE indrelid = '$catalog'::regclass AND indisprimary");
		my $session = new_session($node, $db);
		session_query($session, "BEGIN; LOCK TABLE $catalog IN ACCESS EXCLUSIVE MODE");
		$id = start_backup($node, $db, destination => $db);
		$node->poll_query_until('postgres', qq{SELECT count(*) > 0 FROM pg_locks l JOIN backup_workers w USING (pid)
			WHERE NOT l.granted AND l.relation = '$catalog'::regclass})
		  or die "nobody waits for $catalog";
		session_query($session, "CLUSTER $catalog USING $index; COMMIT");
		$session->quit;
		my $status = wait_backup($node, $id);
		note("$catalog, $level: $status, " . history($node, $id, 'error'));
		if ($status eq 'completed')
		{
			same_text(archive_text($node, history($node, $id, 'destination')),
				$expected, "$catalog rewritten, wal_level $level: nothing is missing");
		}
		else
		{
			is($status, 'failed', "$catalog rewritten, wal_level $level: failed");
			isnt(history($node, $id, 'error'), '', "$catalog rewritten: there is an error");
		}
	}
}

$node->stop;
done_testing();
