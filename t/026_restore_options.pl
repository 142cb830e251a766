
# What options of stock pg_restore and pg_verifybackup do to our archives is what
# they do to those of pg_dump.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");
my $version = major($node);

sub file_with
{
	my ($name, @lines) = @_;
	my $file = $node->basedir . "/$name";
	append_to_file($file, join('', map { "$_\n" } @lines));
	return $file;
}

# As text, with each choice of what to restore
create_db($node, 'sink', file => $kitchen_sink);
$node->safe_psql(
	'sink', q{
	COMMENT ON DATABASE sink IS 'the ''sink''';
	GRANT CONNECT ON DATABASE sink TO ks_reader;
	ALTER DATABASE sink SET work_mem = '7MB';
	ALTER ROLE ks_reader IN DATABASE sink SET search_path = ks, public;});
my $backup =
  backup_ok($node, 'sink', compression => $version >= 16 ? 'lz4' : 'none');
my $stock = stock_dump($node, 'sink');

my @list = toc_list($node, $backup);
my $list = file_with('list',
	reverse
	  grep { / (TABLE|TABLE DATA|SEQUENCE SET|FUNCTION|POLICY|BLOBS?) / }
	  @list);
my @options = (
	[],
	['--data-only'],
	['--schema-only'],
	(map { ["--section=$_"] } qw(pre-data data post-data)),
	[ '--create', '--clean', '--if-exists' ],
	[ '-L', $list ],
	[ '-n', 'ks', '-N', 'ks' ],
	[ '-n', 'Weird "schema" ñ', '--strict-names' ],
	[ '-t', 'numbers', '-t', 'part_us', '-t', 'seq_all', '-t', 'mv' ],
	[ '-I', 'part_at', '-I', 'indexed_gin' ],
	[ '-P', 'add_one(integer)' ],
	[ '-T', 'before_row' ],
	[ '--data-only', '--disable-triggers' ],
	[ '--no-owner', '--no-privileges', '--no-tablespaces' ],
	['--no-comments'],
	[ '--no-publications', '--no-subscriptions', '--no-security-labels' ],
	['--no-table-access-method'],
	['--use-set-session-authorization']);
push @options, ['--transaction-size=10'],
  [
	'--filter',
	file_with(
		'filter',
		'include table numbers # a comment',
		'include table "UPPER"',
		'include index indexed_brin',
		'include function add_one(integer)',
		'include trigger before_row',
		'exclude schema ks_empty')
  ]
  if $version >= 17;
push @options, ['--no-data'], ['--no-schema'], ['--no-policies'],
  ['--no-statistics'], ['--statistics-only'], ['--statistics']
  if $version >= 18;
foreach my $options (@options)
{
	same_text(
		archive_text($node, $backup, @$options),
		archive_text($node, $stock, @$options),
		"as text: @$options");
}
same_text(join("\n", toc_list($node, $backup)),
	join("\n", toc_list($node, $stock)), '--list');

# Tables in several files, restored into databases
create_db(
	$node, 'sliced', sql => q{
	CREATE TABLE parent (id int PRIMARY KEY, t text UNIQUE, g int GENERATED ALWAYS AS (id * 2) STORED);
	INSERT INTO parent SELECT i, md5(i::text) FROM generate_series(1, 6000) i;
	CREATE TABLE child (id int REFERENCES parent, up int CHECK (up > 0));
	INSERT INTO child SELECT i, i FROM generate_series(1, 6000) i;
	CREATE INDEX child_id ON child (id);
	CREATE TABLE part (id int PRIMARY KEY, t text) PARTITION BY HASH (id);
	CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO part SELECT i, repeat('t', i % 50) FROM generate_series(1, 6000) i;
	CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM child JOIN parent USING (id);
	CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not to be fired''; END';
	CREATE TRIGGER stop BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION stop();
	CREATE SEQUENCE s START 5;
	SELECT lo_from_bytea(4711, 'large');
	COMMENT ON DATABASE sliced IS 'in slices';
	ALTER DATABASE sliced SET work_mem = '7MB';});
my $sliced_id = $node->safe_psql('sliced',
	'SET backup_bgw.slice_size = 8; SELECT '
	  . start_sql(destination => 'sliced', jobs => 2));
is(wait_backup($node, $sliced_id), 'completed', 'backup in slices')
  or diag(history($node, $sliced_id, 'error'));
my $sliced = history($node, $sliced_id, 'destination');
my @sliced_list = toc_list($node, $sliced);
my @slices = grep { / TABLE DATA public parent / } @sliced_list;
cmp_ok(scalar @slices, '>', 4, 'many slices');

# Slices that are restored at once come in any order.
sub sorted_dump
{
	return join("\n", sort split /\n/, dump_text($node, $_[0]));
}
my $expected = sorted_dump('sliced');

foreach my $way (
	[ 'parallel', [ '-j', '4' ] ],
	[ 'single transaction', ['-1'] ],
	[
		'sections',
		['--section=pre-data'],
		[ '--section=data', '-j', '4' ],
		[ '--section=post-data', '-j', '4' ]
	],
	[ 'schema, data', ['-s'], [ '-a', '--disable-triggers' ] ],
	[
		'list in reverse order',
		['--section=pre-data'],
		[
			'-L',
			file_with(
				'slices',
				(grep { / BLOB METADATA / } @sliced_list),
				(grep { / BLOBS / } @sliced_list),
				reverse grep { / TABLE DATA | SEQUENCE SET / } @sliced_list)
		],
		['--section=post-data']
	],
	$version >= 17
	? ( [ 'transactions', ['--transaction-size=2'] ],
		[ 'parallel transactions', [ '--transaction-size=2', '-j', '3' ] ])
	: (),
	$version >= 18
	? ( [
			'no data, no schema',
			['--no-data'],
			[ '--no-schema', '--disable-triggers' ]
		])
	: ())
{
	my ($name, @runs) = @$way;
	my $db = 'restored_' . ($name =~ s/\W+/_/gr);
	create_db($node, $db, bare => 1);
	restore_ok($node, $sliced, $db, '-e', @$_) foreach @runs;
	same_text(sorted_dump($db), $expected, "restored: $name");
}

# A part of what is sliced
create_db(
	$node, 'one_slice',
	bare => 1,
	sql =>
	  'CREATE TABLE parent (id int, t text, g int GENERATED ALWAYS AS (id * 2) STORED)'
);
restore_ok($node, $sliced, 'one_slice', '-e', '-L',
	file_with('one_slice', $slices[1]));
cmp_ok(
	$node->safe_psql('one_slice', 'SELECT count(*) FROM parent'),
	'<',
	$node->safe_psql('one_slice', 'SELECT max(id) - 1 FROM parent'),
	'one slice by its line of the list: some rows in the middle');
if ($version >= 17)
{
	create_db($node, 'filtered', bare => 1);
	restore_ok($node, $sliced, 'filtered', '-e', '-j', '2', '--filter',
		file_with('filter_parent', 'include table parent'));
	is( $node->safe_psql('filtered', 'SELECT count(*), sum(g) FROM parent'),
		$node->safe_psql('sliced', 'SELECT count(*), sum(g) FROM parent'),
		'--filter: a table in slices');
}

# With the database itself
$node->safe_psql('postgres', 'ALTER DATABASE sliced RENAME TO sliced_was');
restore_ok($node, $sliced, 'postgres', '-e', '-C', '-j', '4');
same_text(sorted_dump('sliced'), $expected, 'restored: --create');
is( $node->safe_psql(
		'sliced',
		q{SHOW work_mem; SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'sliced'}
	),
	"7MB\nin slices",
	'with its settings and its comment');

# pg_verifybackup
my @verify = verify_command($node, $sliced);
pop @verify;
foreach my $options ([], ['--exit-on-error'],
	($version >= 16 ? ['--progress'] : ()),
	['--quiet'], ['--skip-checksums'])
{
	$node->command_ok([ @verify, @$options, $sliced ],
		"pg_verifybackup @$options");
}
{
	my $copy = $node->basedir . '/copy';
	PostgreSQL::Test::RecursiveCopy::copypath($sliced, $copy);
	append_to_file("$copy/notes", 'of the DBA');
	command_fails_like(
		[ @verify, $copy ],
		qr/"notes" is present on disk but not in the manifest/,
		'pg_verifybackup: a file more');
	$node->command_ok([ @verify, '--ignore=notes', $copy ],
		'pg_verifybackup --ignore');
	unlink "$copy/notes";
	rename "$copy/backup_manifest", $node->basedir . '/manifest_elsewhere'
	  or die "could not move backup_manifest: $!";
	$node->command_ok(
		[
			@verify, '--manifest-path',
			$node->basedir . '/manifest_elsewhere', $copy
		],
		'pg_verifybackup --manifest-path');
}
if ($version >= 18)
{
	# an archive in a tar file, as pg_verifybackup wants such to be named
	my $dir = $node->basedir . '/tarred';
	mkdir $dir or die "could not create \"$dir\": $!";
	system_or_bail('tar', '-C', $sliced, '--exclude=backup_manifest', '-cf',
		"$dir/base.tar", '.');
	append_to_file("$dir/backup_manifest",
		slurp_file("$sliced/backup_manifest"));
	$node->command_ok([ 'pg_verifybackup', '-n', '-F', 'tar', $dir ],
		'pg_verifybackup -F tar');
}

$node->stop;
done_testing();
