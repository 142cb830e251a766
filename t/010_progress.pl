
# The views: what they show while a backup runs, and afterwards.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node =
  new_node('main', conf => "backup_bgw.history_size = 8\nautovacuum = off\n");
create_db(
	$node, 'db', sql => q{
	CREATE TABLE heap AS SELECT i, repeat(md5(i::text), 3) AS t FROM generate_series(1, 20000) i;
	CREATE TABLE toasted (id int, t text);
	ALTER TABLE toasted ALTER t SET STORAGE external;
	INSERT INTO toasted SELECT i, repeat(md5(i::text), 150) FROM generate_series(1, 600) i;
	CREATE TABLE "odd ""name""" AS SELECT i FROM generate_series(1, 30000) i;
	CREATE TABLE empty (a int);
	-- dead rows count, indexes and matviews do not
	CREATE TABLE dead AS SELECT i FROM generate_series(1, 10000) i;
	DELETE FROM dead;
	CREATE INDEX ON heap (t);
	CREATE MATERIALIZED VIEW mv AS SELECT * FROM heap;
	CREATE ROLE starter IN ROLE pg_read_all_data, pg_write_server_files;
	CREATE ROLE nobody;
	CREATE ROLE monitor IN ROLE pg_read_all_stats;});
my $size = $node->safe_psql(
	'db',
	q{SELECT sum(pg_relation_size(oid) + CASE WHEN reltoastrelid <> 0 THEN pg_relation_size(reltoastrelid) ELSE 0 END)
	FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace}
);
my $tables = 5;

# Phase schema
hold_pg_dump($node);
my $id = $node->safe_psql('db',
	'SET ROLE starter; SELECT '
	  . start_sql(destination => 'one', jobs => 2, max_rate => '2MB'));
wait_held($node);
my $dir = backup_dir($node);
is( progress(
		$node,
		$id,
		'datname, usename, phase, destination, jobs, max_rate, percent, bytes_done, tables_done, bytes_written, eta IS NULL'
	),
	"db|starter|schema|$dir/one|2|2097152|0|0|0|0|t",
	'backup_progress in phase schema');
is( $node->safe_psql(
		'postgres',
		q{SELECT started_at BETWEEN now() - interval '1 hour' AND now() FROM backup_progress}
	),
	't',
	'started_at');
is( $node->safe_psql(
		'postgres',
		q{SELECT role, backend_type, a.datname, p.pid = w.pid FROM backup_workers w JOIN backup_progress p USING (backup_id)
		JOIN pg_stat_activity a ON a.pid = w.pid WHERE role = 'leader'}),
	'leader|backup_bgw leader|db|t',
	'the leader is in pg_stat_activity');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*) FROM backup_history WHERE backup_id = $id"),
	'0',
	'not in backup_history yet');

# Who sees it
foreach my $case (
	[ 'nobody', 0 ],
	[ 'starter', 1 ],
	[ 'monitor', 1 ],
	[ 'postgres', 1 ])
{
	my ($role, $rows) = @$case;
	$role = $node->safe_psql('postgres', 'SELECT current_user')
	  if $role eq 'postgres';
	is( $node->safe_psql(
			'db',
			qq{SET ROLE "$role"; SELECT (SELECT count(*) FROM backup_progress), (SELECT count(*) > 0 FROM backup_workers)}
		),
		"$rows|" . ($rows ? 't' : 'f'),
		"rows that $case->[0] sees");
}

# Phase copying, in many samples
release_pg_dump($node);
my (@samples, %workers);
my $session = new_session($node, 'postgres');
for (;;)
{
	my $row = session_query($session,
		qq{SELECT phase, bytes_total, bytes_done, percent, tables_total, tables_done, bytes_written, eta, eta >= '0', rate FROM backup_progress WHERE backup_id = $id}
	);
	last if $row eq '';
	my %sample;
	@sample{
		qw(phase total done percent tables tables_done written eta eta_ok rate)
	} = split /\|/, $row;
	push @samples, \%sample if $sample{phase} eq 'copying';
	$workers{$_}++ foreach split /\n/, session_query(
		$session, qq{
		SELECT backend_type, a.datname, w.relation, w.bytes_done > 0 FROM backup_workers w JOIN pg_stat_activity a USING (pid) WHERE role = 'worker' AND backup_id = $id}
	);
}
$session->quit;
is(wait_backup($node, $id), 'completed', 'completed')
  or diag(history($node, $id, 'error'));

cmp_ok(scalar(@samples), '>', 3, 'it was seen copying');
is(join(' ', map { $_->{total} } grep { $_->{total} ne $size } @samples),
	'', 'bytes_total is the size of tables and TOAST');
is( join(' ', map { $_->{tables} } grep { $_->{tables} ne $tables } @samples),
	'', 'tables_total');
foreach my $column (qw(done percent tables_done written))
{
	my @values = map { $_->{$column} } @samples;
	my @wrong = grep { $values[$_] < $values[ $_ - 1 ] } 1 .. $#values;
	is("@wrong", '', "$column never decreases") or diag("@values");
}
is( join(' ',
		map  { "$_->{done}/$_->{total}" }
		grep { $_->{done} > $_->{total} } @samples),
	'',
	'bytes_done does not pass bytes_total');
is( join(' ',
		map  { $_->{percent} }
		grep { $_->{percent} < 0 || $_->{percent} > 100 } @samples),
	'',
	'percent is from 0 to 100');
is( join(' ',
		map    { "$_->{percent} $_->{done}/$_->{total}" }
		  grep { abs($_->{percent} - 100 * $_->{done} / $_->{total}) > 0.1 }
		  @samples),
	'',
	'percent is that of bytes_done');
my %steps = map { $_->{done} => 1 } @samples;
cmp_ok(
	scalar(keys %steps),
	'>',
	$tables + 1,
	'bytes_done moves while tables are read');
cmp_ok($samples[-1]{percent}, '>', 70, 'percent comes close to 100');
is( join(' ',
		map  { $_->{eta} }
		grep { $_->{eta} ne '' && $_->{eta_ok} ne 't' } @samples),
	'',
	'eta is not negative');
ok((grep { $_->{eta} ne '' && $_->{rate} > 0 } @samples),
	'there is an eta and a rate');

foreach my $relation ('public.heap', 'public.toasted')
{
	ok((grep { /^backup_bgw .*\|db\|\Q$relation\E\|t$/ } keys %workers),
		"a worker was seen reading $relation")
	  or diag(join "\n", sort keys %workers);
}

# History
is( history(
		$node,
		$id,
		'datname, usename, destination, status, jobs, tables, files_preserved, error IS NULL'
	),
	"db|starter|$dir/one|completed|2|$tables|0|t",
	'backup_history');
is(history($node, $id, 'bytes_read'),
	$size, 'everything was read: progress ended at 100');
is(history($node, $id, 'finished_at > started_at'), 't', 'times');
my $files = 0;
$files += -s "$dir/one/$_" foreach grep { /\.dat/ } slurp_dir("$dir/one");
cmp_ok(
	history($node, $id, 'bytes_written'),
	'>=',
	$files - (-s "$dir/one/toc.dat"),
	'bytes_written covers the data files');
my $total = 0;
$total += -s "$dir/one/$_" foreach grep { !/^\.\.?$/ } slurp_dir("$dir/one");
cmp_ok(history($node, $id, 'bytes_written'),
	'<=', $total, 'bytes_written is not more than there is');

foreach my $case ([ 'nobody', 0 ], [ 'starter', 1 ], [ 'monitor', 1 ])
{
	my ($role, $rows) = @$case;
	is( $node->safe_psql(
			'db', "SET ROLE $role; SELECT count(*) FROM backup_history"),
		$rows,
		"history that $role sees");
}

# An error in the history
break_pg_dump($node, '', 1);
my ($ret, $out, $err) =
  $node->psql('db', 'SELECT ' . start_sql(destination => 'broken'));
break_pg_dump($node);
if ($ret == 0)
{
	is(wait_backup($node, $out), 'failed', 'failed');
	is(history($node, $out, 'status'), 'failed', 'status of a failed backup');
	like(history($node, $out, 'error'),
		qr/pg_dump/, 'error of a failed backup');
}
like(progress($node, $id, 'count(*)'), qr/^0$/, 'nothing runs');

# It outlives the extension, the database and the server.
my $row = history($node, $id, '*');
$node->safe_psql('postgres', 'DROP EXTENSION backup_bgw');
$node->safe_psql('postgres', 'CREATE EXTENSION backup_bgw');
is(history($node, $id, '*'), $row, 'history outlives DROP EXTENSION');
$node->safe_psql('postgres', 'ALTER DATABASE db RENAME TO renamed');
is(history($node, $id, '*'), $row, 'history outlives the database');
$node->restart;
is(history($node, $id, '*'), $row, 'history outlives a restart');
my $next = start_backup($node, 'renamed', destination => 'two');
cmp_ok($next, '>', $id, 'ids go on after a restart');
wait_backup($node, $next);
is(history($node, $next, 'datname'),
	'renamed', 'the next one has its own row');
$node->stop('immediate');
$node->start;
is(history($node, $id, '*'), $row, 'history outlives a crash');
is(history($node, $next, 'status'),
	'completed', 'and so does a row written just before');

# backup_bgw.history_size
my @ids;
create_db($node, 'tiny');
push @ids, start_backup($node, 'tiny', destination => "tiny-$_", jobs => 1)
  and wait_backup($node, $ids[-1])
  for 1 .. 10;
is($node->safe_psql('postgres', 'SELECT count(*) FROM backup_history'),
	'8', 'history_size rows are kept');
is( $node->safe_psql('postgres', 'SELECT min(backup_id) FROM backup_history'),
	$ids[2],
	'the latest ones');
like(
	($node->psql('postgres', "SELECT wait_backup($ids[0])"))[2],
	qr/does not exist/,
	'forgotten ones do not exist');

$node->stop;
done_testing();
