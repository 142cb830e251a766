
# A backup's processes hold no locks, but for ACCESS SHARE on the table that a
# worker reads, its TOAST table and the index of that.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
create_db($node, 'sink', file => $kitchen_sink);

# So large that, with a limit on the rate, the copying phase has no end.
$node->safe_psql(
	'sink', q{
	CREATE TABLE public.big (id int, t text);
	ALTER TABLE public.big ALTER t SET STORAGE external;
	INSERT INTO public.big SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 2000) i;
	CREATE INDEX ON public.big (id);
	CREATE TABLE public.unread AS SELECT 1 AS a;});

# Locks of all processes of backups, the worker's own virtual transaction aside.
my $locks = q{
	SELECT w.pid || ' ' || w.role AS process, w.relation AS reading, l.relation::regclass::text AS locked,
	       l.locktype, l.mode, l.relation < 16384 AS is_catalog,
	       l.relation IN (SELECT c.oid FROM pg_class c WHERE c.oid = to_regclass(w.relation)
	                      UNION ALL SELECT c.reltoastrelid FROM pg_class c WHERE c.oid = to_regclass(w.relation)
	                      UNION ALL SELECT i.indexrelid FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid WHERE c.oid = to_regclass(w.relation)) AS allowed
	  FROM backup_workers w JOIN pg_locks l USING (pid)
	 WHERE l.locktype <> 'virtualxid'};

# In phase copying
my $id = start_backup(
	$node, 'sink',
	destination => 'slow',
	jobs => 2,
	include => [ 'public.big', 'ks.blocks' ],
	max_rate => '30kB');
$node->poll_query_until(
	'sink',
	qq{SELECT count(*) = 2 FROM backup_workers w JOIN backup_progress p USING (backup_id)
	WHERE phase = 'copying' AND role = 'worker' AND w.relation IS NOT NULL AND backup_id = $id}
) or die 'no worker reads';
is( $node->safe_psql(
		'sink',
		q{SELECT string_agg(relation, ' ' ORDER BY relation) FROM backup_workers WHERE role = 'worker'}
	),
	'ks.blocks public.big',
	'what the workers read');
$node->poll_query_until(
	'sink',
	q{SELECT count(*) > 0 FROM pg_locks l JOIN backup_workers w USING (pid)
	WHERE w.role = 'worker' AND l.relation = 'public.big'::regclass AND l.mode = 'AccessShareLock' AND l.granted}
) or die 'no worker holds a lock on what it reads';
my %seen;

foreach my $sample (1 .. 50)
{
	$seen{$_}++
	  foreach split /\n/,
	  $node->safe_psql('sink',
		"SELECT locktype, mode, CASE WHEN is_catalog THEN 'catalog ' || locked WHEN allowed THEN 'what it reads' ELSE locked || ' while reading ' || coalesce(reading, 'nothing') END, process FROM ($locks) l GROUP BY 1, 2, 3, 4"
	  );
}
my ($workers, @rest) = (0);
foreach (sort keys %seen)
{
	if (/^relation\|AccessShareLock\|what it reads\|\d+ worker$/)
	{
		$workers++;
		next;
	}
	# the microseconds of a catalog lookup
	next if /^relation\|AccessShareLock\|catalog / && $seen{$_} <= 2;
	push @rest, "$_: $seen{$_} times";
}
cmp_ok($workers, '>', 0, 'workers lock what they read');
is(join("\n", @rest), '', 'and nothing else is locked');
is( $node->safe_psql(
		'sink',
		q{SELECT count(DISTINCT l.relation) FROM pg_locks l JOIN backup_workers w USING (pid)
		WHERE w.relation = 'public.big' AND l.mode = 'AccessShareLock' AND l.granted AND l.relation IN (
			SELECT indexrelid FROM pg_index WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'public.big'::regclass)
			UNION ALL SELECT reltoastrelid FROM pg_class WHERE oid = 'public.big'::regclass)}
	),
	'2',
	'the TOAST table and its index are locked, too');
is( $node->safe_psql(
		'sink',
		"SELECT count(*) FROM ($locks) l WHERE process LIKE '%leader'"),
	'0',
	'the leader locks nothing');
is( $node->safe_psql(
		'sink',
		q{SELECT count(*) FROM pg_locks l JOIN backup_workers USING (pid) WHERE role = 'leader'}
	),
	'0',
	'not even its virtual transaction, for others to wait for');
is(progress($node, $id, 'phase'), 'copying', 'it was copying all the time');

# DDL on everything that is not being read
my $session = new_session($node, 'sink');
session_query($session,
	"SET lock_timeout = '60s'; SET client_min_messages = warning");
is( session_error(
		$session, q{
		BEGIN; ALTER TABLE ks.numbers ADD x int; DROP VIEW ks.v_complex CASCADE; ALTER FUNCTION ks.add_one(int) RENAME TO add_1;
		LOCK TABLE pg_class, pg_attribute, pg_proc IN ACCESS EXCLUSIVE MODE; ROLLBACK}
	),
	'',
	'DDL does not wait for the backup');
is( session_error($session, 'CREATE INDEX CONCURRENTLY ON public.unread (a)'),
	'',
	'nor does CREATE INDEX CONCURRENTLY');
$session->quit;
is($node->safe_psql('sink', "SELECT cancel_backup($id)"), 't', 'cancel');
is(wait_backup($node, $id), 'cancelled', 'cancelled');

# In phase schema, with pg_dump's session still there: it waits for a lock that
# somebody else has, and holds no more than the lock it waits for.
my $blocker = new_session($node, 'sink');
session_query($blocker,
	'BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE');
$id = start_backup($node, 'sink', destination => 'blocked');
$node->poll_query_until(
	'postgres',
	q{SELECT count(*) = 1 FROM pg_locks l JOIN backup_workers w USING (pid)
	WHERE w.role = 'pg_dump' AND NOT l.granted AND l.relation = 'pg_subscription'::regclass}
) or die 'pg_dump does not wait for pg_subscription';
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pg_locks l JOIN backup_workers w USING (pid)
		WHERE w.role = 'pg_dump' AND l.granted AND l.relation >= 16384}),
	'0',
	"pg_dump's session holds no lock on user tables");
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pg_locks l JOIN backup_workers w USING (pid)
		WHERE w.role <> 'pg_dump' AND l.locktype <> 'virtualxid'}),
	'0',
	'nor does any other process');
session_query($blocker, 'COMMIT');
$blocker->quit;
is(wait_backup($node, $id), 'completed', 'it goes on when the lock is gone')
  or diag(history($node, $id, 'error'));

# For comparison: what pg_dump holds.  Its output is not read, so it stops amid
# the data.
{
	local %ENV = $node->_get_env;
	local $ENV{PGAPPNAME} = 'pg_dump';
	open my $pipe, '-|', 'pg_dump', '-a', 'sink'
	  or die "could not start pg_dump: $!";
	$node->poll_query_until(
		'sink', q{SELECT count(*) = 1 FROM pg_stat_activity
		WHERE application_name = 'pg_dump' AND query LIKE 'COPY %'}
	) or die 'pg_dump does not copy';
	my $held = $node->safe_psql(
		'sink',
		q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity USING (pid)
		WHERE application_name = 'pg_dump' AND locktype = 'relation'});
	note("stock pg_dump holds $held locks on relations");
	cmp_ok($held, '>', 100, 'stock pg_dump holds more than a hundred locks');
	1 while read $pipe, my $buf, 65536;
	close $pipe;
}

$node->stop;
done_testing();
