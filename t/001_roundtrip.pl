
# What is restored equals what was backed up: every kind of object and value,
# with each way to compress, and each way to restore.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main');

# The kitchen sink
create_db($node, 'sink', file => $kitchen_sink);
my $sink = backup_ok($node, 'sink', name => 'backup of the kitchen sink');
data_files_equal($node, 'sink', $sink, 'kitchen sink');
{
	my $stock = $node->basedir . '/stock';
	$node->command_ok([ 'pg_dump', '-Fd', '--no-sync', '-f', $stock, 'sink' ],
		'stock pg_dump');
	same_text(
		archive_text($node, $sink),
		archive_text($node, $stock),
		'the archive as text is that of pg_dump');
}
restore_ok($node, $sink, 'sink_1', '-e');
same_dump($node, 'sink_1', 'sink');
restore_ok($node, $sink, 'sink_4', '-e', '-j', '4');
same_dump($node, 'sink_4', 'sink', 'parallel restore has the same dump');
$node->command_ok([ verify_command($node, $sink) ], 'pg_verifybackup');

# pgbench, with each compression
create_db($node, 'bench');
$node->command_ok(
	[ 'pgbench', '-i', '-q', '-s', '3', '--foreign-keys', 'bench' ],
	'pgbench -i');
foreach my $compression ('lz4', 'lz4:9', 'none')
{
	my $backup = backup_ok(
		$node, 'bench',
		compression => $compression,
		jobs => 4,
		name => "compression $compression");
	my ($suffix, $other) = (qr/^\d+\.dat\.lz4$/, qr/^\d+\.dat$/);
	($suffix, $other) = ($other, $suffix) if $compression eq 'none';
	my @files = slurp_dir($backup);
	is(scalar(grep { /$suffix/ } @files),
		4, "compression $compression: names of data files");
	is(scalar(grep { /$other/ } @files),
		0, "compression $compression: no other data files");
	data_files_equal($node, 'bench', $backup, "compression $compression");
	$node->command_ok(
		[ verify_command($node, $backup) ],
		"pg_verifybackup, compression $compression");
	my $db = 'bench_' . ($compression =~ s/\W/_/r);
	restore_ok($node, $backup, $db, '-e', '-j', '4');
	same_dump($node, $db, 'bench');
}

# An empty database
create_db($node, 'empty');
my $empty = backup_ok($node, 'empty', name => 'empty database');
data_files_equal($node, 'empty', $empty, 'empty database');
$node->command_ok([ verify_command($node, $empty) ],
	'pg_verifybackup, empty');
restore_ok($node, $empty, 'empty_1', '-e');
same_dump($node, 'empty_1', 'empty');

# Parts of an archive
create_db(
	$node, 'shop', sql => q{
	CREATE SCHEMA one; CREATE SCHEMA two;
	CREATE TABLE one.a (id int PRIMARY KEY, t text);
	CREATE TABLE one.b (id int REFERENCES one.a);
	CREATE TABLE two.a (id int, u text);
	CREATE TABLE two.c (id int);
	CREATE SEQUENCE two.s START 5;
	INSERT INTO one.a SELECT i, repeat('one', i) FROM generate_series(1, 300) i;
	INSERT INTO one.b SELECT i FROM generate_series(1, 200) i;
	INSERT INTO two.a SELECT i, 'two' FROM generate_series(1, 100) i;
	INSERT INTO two.c SELECT i FROM generate_series(1, 50) i;
	SELECT lo_from_bytea(4711, 'large');});
my $shop = backup_ok($node, 'shop');
my $tables =
  q{SELECT string_agg(t || ' ' || one.row_count(t), ', ' ORDER BY t::text)
	FROM (SELECT oid::regclass AS t FROM pg_class WHERE relkind = 'r' AND
	      relnamespace IN ('one'::regnamespace, 'two'::regnamespace)) AS t};
my $prepare = q{CREATE SCHEMA one; CREATE SCHEMA two;
	CREATE FUNCTION one.row_count(regclass) RETURNS bigint LANGUAGE plpgsql AS
	$$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM ' || $1 INTO n; RETURN n; END $$;};
foreach my $part (
	[ 'table', [ '-t', 'b', '-t', 'c' ], 'one.b 200, two.c 50' ],
	[ 'schema', [ '-n', 'two' ], 'two.a 100, two.c 50' ],
	[ 'schema_table', [ '-n', 'two', '-t', 'a', '-j', '2' ], 'two.a 100' ],
	[ 'not_schema', [ '-N', 'one', '-n', 'two' ], 'two.a 100, two.c 50' ],
	[ 'list', undef, 'one.a 300, two.c 0' ])
{
	my ($name, $options, $expected) = @$part;
	my $db = "shop_$name";
	create_db($node, $db, bare => 1, sql => $prepare);
	if (!$options)
	{
		my $list = $node->basedir . '/list';
		my @lines = grep { / TABLE (DATA )?one a | TABLE two c / }
		  toc_list($node, $shop);
		append_to_file(
			$list,
			join("\n",
				reverse(grep { !/ DATA / } @lines),
				grep { / DATA / } @lines)
			  . "\n");
		$options = [ '-L', $list ];
	}
	restore_ok($node, $shop, $db, '-e', @$options);
	is($node->safe_psql($db, $tables), $expected, "restored by $name");
}

# pg_verifybackup notices damage.
my $count = 0;
my $data = (
	sort { -s "$shop/$b" <=> -s "$shop/$a" }
	grep { /\.dat\.lz4$/ } slurp_dir($shop))[0];

sub flip_byte
{
	my ($file) = @_;
	open my $fh, '+<:raw', $file or die "could not open \"$file\": $!";
	seek $fh, -5, 2;
	read $fh, my $byte, 1;
	seek $fh, -5, 2;
	print $fh chr(ord($byte) ^ 1);
	close $fh;
	return;
}

foreach my $damage (
	{
		name => 'a byte of a data file differs',
		mutilate => sub { flip_byte("$_[0]/$data") },
		fails_like => qr/checksum mismatch for file "\Q$data\E"/
	},
	{
		name => 'a byte of toc.dat differs',
		mutilate => sub { flip_byte("$_[0]/toc.dat") },
		fails_like => qr/checksum mismatch for file "toc.dat"/
	},
	{
		name => 'a byte of a large object differs',
		mutilate => sub { flip_byte("$_[0]/blob_4711.dat.lz4") },
		fails_like => qr/checksum mismatch for file "blob_4711\.dat\.lz4"/
	},
	{
		name => 'a data file is missing',
		mutilate => sub { unlink "$_[0]/$data" },
		fails_like =>
		  qr/"\Q$data\E" is present in the manifest but not on disk/
	},
	{
		name => 'toc.dat is missing',
		mutilate => sub { unlink "$_[0]/toc.dat" },
		fails_like => qr/"toc.dat" is present in the manifest but not on disk/
	},
	{
		name => 'a data file is cut short',
		mutilate => sub { truncate "$_[0]/$data", 10 },
		fails_like => qr/"\Q$data\E" has size 10 /
	},
	{
		name => 'a data file has grown',
		mutilate => sub { append_to_file("$_[0]/$data", 'x') },
		fails_like => qr/"\Q$data\E" has size \d+ /
	},
	{
		name => 'there is one file more',
		mutilate => sub { append_to_file("$_[0]/9999.dat.lz4", 'x') },
		fails_like =>
		  qr/"9999.dat.lz4" is present on disk but not in the manifest/
	},
	{
		name => 'the manifest was edited',
		mutilate => sub {
			my $manifest = slurp_file("$_[0]/backup_manifest");
			$manifest =~ s/("Size": )(\d+)/$1 . ($2 + 1)/e;
			unlink "$_[0]/backup_manifest";
			append_to_file("$_[0]/backup_manifest", $manifest);
		},
		fails_like => qr/manifest checksum mismatch/
	},
	{
		name => 'the manifest is missing',
		mutilate => sub { unlink "$_[0]/backup_manifest" },
		fails_like => qr/could not open file .*backup_manifest/
	})
{
	my $copy = "$shop.damaged-" . ++$count;
	PostgreSQL::Test::RecursiveCopy::copypath($shop, $copy);
	command_ok([ verify_command($node, $copy) ],
		"undamaged copy verifies, before $damage->{name}");
	$damage->{mutilate}->($copy);
	command_fails_like([ verify_command($node, $copy) ],
		$damage->{fails_like}, $damage->{name});
}

$node->stop;
done_testing();
