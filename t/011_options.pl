
# Arguments of start_backup(), and what a database may have that needs care.

use strict;
use warnings;
use File::Path ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main',
	conf => "backup_bgw.max_backups = 2\nbackup_bgw.jobs = 1\n");
my $dir = backup_dir($node);
create_db(
	$node, 'db', sql => q{
	CREATE SCHEMA one; CREATE SCHEMA two; CREATE SCHEMA "Odd ""schema"".x";
	CREATE TABLE one.a AS SELECT i FROM generate_series(1, 10) i;
	CREATE TABLE one.ab AS SELECT 2 AS i;
	CREATE TABLE one."Upper" AS SELECT 3 AS i;
	CREATE TABLE two.a AS SELECT 4 AS i;
	CREATE TABLE two.part (i int) PARTITION BY RANGE (i);
	CREATE TABLE two.part_1 PARTITION OF two.part FOR VALUES FROM (0) TO (10);
	CREATE TABLE two.part_2 PARTITION OF two.part FOR VALUES FROM (10) TO (20);
	INSERT INTO two.part SELECT generate_series(0, 19);
	CREATE TABLE "Odd ""schema"".x"."t*" AS SELECT 5 AS i;
	CREATE TABLE public.p AS SELECT 6 AS i;
	CREATE SEQUENCE two.s; CREATE VIEW two.v AS SELECT 1 AS a;
	CREATE MATERIALIZED VIEW two.mv AS SELECT * FROM two.a;
	SELECT lo_from_bytea(1, 'x');});

# include and exclude: the same as pg_dump's -t and -T
foreach my $case (
	[ 'one table', ['one.a'], undef ],
	[ 'by search_path', ['p'], undef ],
	[ 'wildcard', ['one.*'], undef ],
	[ 'question mark', ['one.a?'], undef ],
	[ 'regular expression', ['one.(a|ab)'], undef ],
	[ 'several', [ 'one.ab', 'two.part*' ], undef ],
	[ 'any schema', ['*.a'], undef ],
	[ 'folded', ['ONE.A'], undef ],
	[ 'with the database', ['db.one.a'], undef ],
	[ 'quoted', [ 'one."Upper"', '"Odd ""schema"".x"."t*"' ], undef ],
	[ 'view and sequence', [ 'two.v', 'two.s', 'two.mv' ], undef ],
	[ 'partitioned table alone', ['two.part'], undef ],
	[ 'exclude one', undef, ['one.a'] ],
	[ 'exclude wildcard', undef, [ 'two.*', 'p' ] ],
	[ 'exclude all tables', undef, ['*.*'] ],
	[ 'both', ['one.*'], ['one.ab'] ],
	[ 'exclude wins', [ 'one.a', 'two.a' ], ['*.a'] ])
{
	my ($name, $include, $exclude) = @$case;
	my $stock = "$dir/stock";
	my @options = (
		(map { ('-t', $_) } @{ $include || [] }),
		(map { ('-T', $_) } @{ $exclude || [] }));
	$node->run_log(
		[
			'pg_dump', '-Fd', '-Z0', '--no-sync', '-f', $stock, @options,
			'db'
		]);
	my $backup = backup_ok(
		$node, 'db',
		include => $include,
		exclude => $exclude,
		name => "patterns: $name");
	same_text(
		join("\n", toc_list($node, $backup)),
		join("\n", toc_list($node, $stock)),
		"patterns: $name: same contents as pg_dump @options");
	same_text(
		archive_text($node, $backup),
		archive_text($node, $stock),
		"patterns: $name: same text");
	$node->command_ok([ verify_command($node, $backup) ],
		"patterns: $name: verifies");
	File::Path::rmtree($stock);
}

# Temporary tables of others that match are left out; pg_dump would fail.
my @expected = toc_list($node,
	backup_ok($node, 'db', include => ['*.a'], name => 'no temporary table'));
my $temporary = new_session($node, 'db');
session_query($temporary,
	'CREATE TEMPORARY TABLE a AS SELECT 1 AS a; CREATE TEMPORARY TABLE only_temporary (a serial)'
);
same_text(
	join(
		"\n",
		map { s/^\d+//r } toc_list(
			$node,
			backup_ok(
				$node, 'db',
				include => ['*.a'],
				name => 'patterns: a temporary table matches'))),
	join("\n", map { s/^\d+//r } @expected),
	'patterns: a temporary table is left out');
start_fails(
	$node, 'db', { include => ['*.only_temp*'] },
	'42P01',
	qr/no tables match include pattern/,
	'patterns: only temporary tables match');
$temporary->quit;

# Destinations
my $id = start_backup($node, 'db', destination => undef);
wait_backup($node, $id);
my $destination = history($node, $id, 'destination');
like($destination, qr{^\Q$dir\E/db-\d{8}T\d{6}Z$}, 'default destination');
my ($day, $time) = $destination =~ /-(\d{8})T(\d{6})Z$/;
is( history(
		$node, $id,
		qq{to_char(started_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')}),
	"$day$time",
	'its time is that of the start, in UTC');
ok(-e "$destination/toc.dat" && -e "$destination/backup_manifest",
	'it is there');
ok(!-e "$destination.partial", 'and no longer under its other name');
is(backup_ok($node, 'db', destination => 'rel'),
	"$dir/rel", 'relative destination');
mkdir "$dir/sub" or die $!;
is(backup_ok($node, 'db', destination => 'sub/rel'),
	"$dir/sub/rel", 'relative destination in a directory');
is(backup_ok($node, 'db', destination => 'sub//../slashes/'),
	"$dir/slashes", 'destination is made canonical');
my $elsewhere = $node->basedir . '/elsewhere';
mkdir $elsewhere or die $!;
is(backup_ok($node, 'db', destination => "$elsewhere/x"),
	"$elsewhere/x", 'absolute destination');
ok(-e "$elsewhere/x/toc.dat", 'is there');
mkdir "$elsewhere/empty" or die $!;
my $backup = backup_ok($node, 'db', destination => "$elsewhere/empty");
$node->command_ok([ verify_command($node, $backup) ],
	'an empty directory is taken');
is((stat $backup)[2] & 07777, 0700, 'mode of the directory');
is( join(' ',
		grep { (stat "$backup/$_")[2] & 0077 }
		grep { !/^\.\.?$/ } slurp_dir($backup)),
	'',
	"nobody else may read the files");
$backup = backup_ok($node, 'db',
	destination => "$elsewhere/a name with spaces, 'quotes' and \\");
restore_ok($node, $backup, 'spaces', '-e');
same_dump($node, 'spaces', 'db');

# jobs, compression, max_rate
foreach my $jobs (1, 3, 12)
{
	$backup = backup_ok($node, 'db', jobs => $jobs, name => "jobs $jobs");
	data_files_equal($node, 'db', $backup, "jobs $jobs");
}
foreach my $compression ('lz4:1', 'lz4:12')
{
	$backup = backup_ok(
		$node, 'db',
		compression => $compression,
		name => "compression $compression");
	data_files_equal($node, 'db', $backup, "compression $compression");
}
foreach my $rate ('1GB', '100MB', '2000kB', '1 GB', '0.5GB', '5000')
{
	backup_ok($node, 'db', max_rate => $rate, name => "max_rate $rate");
}
backup_ok(
	$node, 'db',
	destination => 'nulls',
	jobs => undef,
	include => undef,
	exclude => undef,
	max_rate => undef);
is( $node->safe_psql(
		'db',
		'SELECT jobs FROM backup_history ORDER BY backup_id DESC LIMIT 1'),
	'1',
	'backup_bgw.jobs is the default');
{
	my $own = $node->safe_psql('db',
		"SET backup_bgw.jobs = 3; SELECT start_backup()");
	wait_backup($node, $own);
	is(history($node, $own, 'jobs'), '3', 'backup_bgw.jobs of the session');
}

# Two backups at once, and no third
create_db($node, 'other', sql => 'CREATE TABLE o AS SELECT 7 AS i');
hold_pg_dump($node);
my $one = start_backup($node, 'db', destination => 'at-once-1');
$node->safe_psql('db', 'INSERT INTO one.ab VALUES (22)');
my $two =
  start_backup($node, 'other', destination => 'at-once-2', include => ['o']);
is( $node->safe_psql(
		'postgres',
		'SELECT count(*), count(DISTINCT pid) FROM backup_progress'),
	'2|2',
	'two backups run');
my ($ret, $out, $err) = $node->psql('db',
	"\\set VERBOSITY verbose\nSELECT "
	  . start_sql(destination => 'at-once-3'));
like(
	$err,
	qr/53400: too many backups are running.*HINT:.*backup_bgw\.max_backups/s,
	'not three');
ok(!-e "$dir/at-once-3" && !-e "$dir/at-once-3.partial",
	'the third left nothing');
release_pg_dump($node);
is(wait_backup($node, $_), 'completed', 'completed')
  or diag(history($node, $_, 'error'))
  for $one, $two;
restore_ok($node, "$dir/at-once-1", 'once_1', '-e');
is($node->safe_psql('once_1', 'SELECT i FROM one.ab'),
	'2', 'the first is as of its own start');
restore_ok($node, "$dir/at-once-2", 'once_2', '-e', '-t', 'o');
is($node->safe_psql('once_2', 'SELECT i FROM o'), '7', 'the second, too');

# The same destination twice
hold_pg_dump($node);
$one = start_backup($node, 'db', destination => 'same');
($ret, $out, $err) =
  $node->psql('db', 'SELECT ' . start_sql(destination => "$dir/same"));
like(
	$err,
	qr/another backup is being written to|same\.partial" exists/,
	'not two to one destination');
# also when there is nothing to be seen of the first
wait_held($node);
rename("$dir/same.partial", "$dir/away") or die $!;
($ret, $out, $err) = $node->psql('db',
	"\\set VERBOSITY verbose\nSELECT " . start_sql(destination => 'same'));
like(
	$err,
	qr/55006: another backup is being written to destination "\Q$dir\E\/same"/,
	'not by name, either');
rename("$dir/away", "$dir/same.partial") or die $!;
release_pg_dump($node);
is(wait_backup($node, $one), 'completed', 'the first is not disturbed');

# Tablespaces
foreach my $i (1, 2)
{
	mkdir $node->basedir . "/ts$i" or die $!;
	$node->safe_psql('postgres',
		"CREATE TABLESPACE ts$i LOCATION '" . $node->basedir . "/ts$i'");
}
create_db(
	$node, 'spaced',
	options => 'TABLESPACE ts2',
	sql => q{
	CREATE TABLE here AS SELECT i, repeat('x', 5000) AS t FROM generate_series(1, 100) i;
	CREATE TABLE there TABLESPACE ts1 AS SELECT i, repeat(md5(i::text), 200) AS t FROM generate_series(1, 100) i;
	CREATE TABLE main TABLESPACE pg_default AS SELECT i FROM generate_series(1, 100) i;
	CREATE INDEX ON here (i) TABLESPACE ts1;
	CREATE TABLE moved AS SELECT 1 AS a;
	ALTER TABLE moved SET TABLESPACE ts1;
	CREATE TABLE part (a int) PARTITION BY LIST (a) TABLESPACE ts1;
	CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
	INSERT INTO part VALUES (1);
	CREATE MATERIALIZED VIEW mv TABLESPACE ts1 AS SELECT * FROM main;});
$backup = backup_ok($node, 'spaced', name => 'tablespaces', jobs => 2);
data_files_equal($node, 'spaced', $backup, 'tablespaces');
create_db($node, 'spaced_r', bare => 1, options => 'TABLESPACE ts2');
restore_ok($node, $backup, 'spaced_r', '-e');
same_dump($node, 'spaced_r', 'spaced');

# Configuration tables of an extension: plpgsql's here, as it is everywhere.
create_db(
	$node, 'config', sql => q{
	CREATE TABLE public.unfiltered (a int, b text);
	CREATE TABLE public.filtered (a int, b text, standard boolean);
	CREATE TABLE public.none_left (a int);
	CREATE TABLE public.not_config (a int);
	CREATE TABLE public.generated (a int, g int GENERATED ALWAYS AS (a * 2) STORED);
	INSERT INTO public.unfiltered VALUES (1, E'\\t'), (2, NULL);
	INSERT INTO public.filtered VALUES (1, 'standard', true), (2, E'own\\n', false), (3, 'own', false);
	INSERT INTO public.none_left VALUES (1), (2);
	INSERT INTO public.not_config VALUES (1);
	INSERT INTO public.generated VALUES (1), (2);
	ALTER EXTENSION backup_bgw ADD TABLE public.unfiltered;
	ALTER EXTENSION backup_bgw ADD TABLE public.filtered;
	ALTER EXTENSION backup_bgw ADD TABLE public.none_left;
	ALTER EXTENSION backup_bgw ADD TABLE public.not_config;
	ALTER EXTENSION backup_bgw ADD TABLE public.generated;
	UPDATE pg_extension SET
		extconfig = ARRAY['public.unfiltered'::regclass, 'public.filtered'::regclass, 'public.none_left'::regclass, 'public.generated'::regclass]::oid[],
		extcondition = ARRAY['', 'WHERE NOT standard ORDER BY a', 'WHERE a > 100', 'WHERE a > 1']
		WHERE extname = 'backup_bgw';});
$backup =
  backup_ok($node, 'config', name => 'extension with configuration tables');
data_files_equal($node, 'config', $backup, 'configuration tables');
my $text = archive_text($node, $backup, '-a');
like(
	$text,
	qr/^COPY public\.filtered .*;\n2\town\\n\tf\n3\town\tf\n\\\.$/m,
	'filtered table: its own rows');
like(
	$text,
	qr/^COPY public\.unfiltered .*;\n1\t\\t\n2\t\\N\n\\\.$/m,
	'unfiltered table: all rows');
like(
	$text,
	qr/^COPY public\.none_left .*;\n\\\.$/m,
	'filter that no row meets');
like(
	$text,
	qr/^COPY public\.generated .*;\n2\n\\\.$/m,
	'filtered table with a generated column');
unlike($text, qr/not_config/, 'other tables of the extension are not dumped');

# A schema of its own for the extension
create_db(
	$node, 'elsewhere',
	bare => 1,
	sql => q{
	CREATE SCHEMA "Bgw"; CREATE EXTENSION backup_bgw SCHEMA "Bgw"; CREATE TABLE public.t AS SELECT 1 AS a;}
);
$id =
  $node->safe_psql('elsewhere', q{SELECT "Bgw".start_backup('own-schema')});
is(wait_backup($node, $id), 'completed', 'extension in another schema')
  or diag(history($node, $id, 'error'));
data_files_equal($node, 'elsewhere', "$dir/own-schema",
	'extension in another schema');

$node->stop;
done_testing();
