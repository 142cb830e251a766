
# start_backup(compression => ...): with each codec and level the archive is what
# stock programs decompress, verify and restore, and damage is noticed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");

# Files of several blocks, whose text can be compressed well, hardly or not at all;
# rows bigger than a block; no row; large objects, one of them an empty file.
create_db(
	$node, 'db', sql => q{
	CREATE TABLE words AS
		SELECT i AS id, 'customer ' || i % 977 AS customer, now() + i * interval '1 h' AS at, repeat('ab', i % 50) AS v FROM generate_series(1, 30000) i;
	CREATE TABLE noise AS
		SELECT i AS id, (SELECT string_agg(chr(33 + (random() * 5000)::int), '') FROM generate_series(1, 500 + i % 2)) AS v FROM generate_series(1, 1200) i;
	CREATE TABLE zeros AS SELECT repeat('0', 3000000) AS v;
	CREATE TABLE long AS
		SELECT i AS id, (SELECT string_agg(md5(j::text), '') FROM generate_series(1, i * 10000) j) AS v FROM generate_series(1, 4) i;
	CREATE TABLE one AS SELECT 1 AS id;
	CREATE TABLE empty (id int);
	SELECT lo_create(1), lo_from_bytea(2, 'x'), lo_from_bytea(3, (SELECT string_agg(sha512(i::text::bytea), '') FROM generate_series(1, 30000) i));}
);

my %test = (
	lz4 => [ 'lz4', '-t', '-m' ],
	zstd => [ 'zstd', '-t' ],
	gzip => [ 'gzip', '-t' ]);

my @codecs = built_in($node, qw(lz4 zstd gzip));
foreach my $codec (qw(lz4 zstd gzip))
{
  SKIP:
	{
		skip "no $codec in this build", 1
		  unless grep { $_ eq $codec } @codecs;
		look_at($codec);
	}
}

sub levels
{
	my ($codec) = @_;
	return qw(1 12) if $codec eq 'lz4';
	return qw(-131072 -5 0 1 22) if $codec eq 'zstd';
	return qw(1 9);
}

sub look_at
{
	my ($codec) = @_;
	my $suffix = suffix_of($codec);
	my $archive;

	foreach my $compression ($codec, map { "$codec:$_" } levels($codec))
	{
		$archive = backup_ok(
			$node, 'db',
			compression => $compression,
			jobs => 2,
			name => $compression);
		my @files = grep { /\.dat/ && $_ ne 'toc.dat' } slurp_dir($archive);
		cmp_ok(scalar @files, '>=', 9, "$compression: data files");
		is(join(' ', grep { !/\d\.dat\Q$suffix\E$/ } @files),
			'', "$compression: all are compressed");
		command_ok([ @{ $test{$codec} }, map { "$archive/$_" } @files ],
			"$compression: $codec -t");
		command_ok(
			[ verify_command($node, $archive) ],
			"$compression: pg_verifybackup");
		data_files_equal($node, 'db', $archive, $compression);
		command_like(
			[ 'pg_restore', '-l', $archive ],
			listed_as($codec, $compression),
			"$compression: pg_restore -l");
	}

	restore_ok($node, $archive, $codec, '-e', '-j', '4');
	same_dump($node, $codec, 'db');
	# 15 reads gzip as it is
	command_ok([ 'pg_restore', '-f', '/dev/null', $archive ],
		"$codec: as it is")
	  if major($node) >= 16 || $codec eq 'gzip';

	# A byte of a file is another one.
	my ($biggest) =
	  sort { -s $b <=> -s $a }
	  map { "$archive/$_" } grep { /^\d+\.dat/ } slurp_dir($archive);
	flip_byte($biggest);
	command_fails([ @{ $test{$codec} }, $biggest ], "$codec -t: damage");
	command_fails([ 'pg_restore', '-f', '/dev/null', $archive ],
		"pg_restore: damage, $codec")
	  if major($node) >= 16 || $codec eq 'gzip';
	return;
}

# Archives of 15 have the level of gzip, and no word for others.
sub listed_as
{
	my ($codec, $compression) = @_;
	return qr/^;     Compression: $codec$/m if major($node) >= 16;
	return qr/^;     Compression: 0$/m if $codec ne 'gzip';
	my $level = $compression =~ /:(.*)/ ? $1 : -1;
	return qr/^;     Compression: $level$/m;
}

sub flip_byte
{
	my ($file) = @_;
	open my $fh, '+<', $file or die "could not open \"$file\": $!";
	binmode $fh;
	my $offset = int((-s $file) / 2);
	seek $fh, $offset, 0 or die $!;
	read $fh, my $byte, 1 or die $!;
	seek $fh, $offset, 0 or die $!;
	print $fh chr(ord($byte) ^ 0x55);
	close $fh or die $!;
	return;
}

# What cannot be had
my %range = (lz4 => [ 1, 12 ], zstd => [ -131072, 22 ], gzip => [ 1, 9 ]);
foreach my $codec (@codecs)
{
	my ($min, $max) = @{ $range{$codec} };
	foreach my $level ('', 'x', '5x', '1.5', ':1', '99999999999999999999',
		$min - 1, $max + 1)
	{
		start_fails(
			$node,
			'db',
			{ compression => "$codec:$level" },
			'22023',
			qr/invalid $codec compression level: "\Q$level\E".*HINT:  The level must be an integer from $min to $max\./s,
			"level '$level' of $codec");
	}
}
foreach my $compression (
	'zst', 'zstandard', 'gz', 'ZSTD',
	' gzip', ':', ':1', 'none:',
	'lz4,level=1')
{
	start_fails(
		$node,
		'db',
		{ compression => $compression },
		'22023',
		qr/unrecognized compression: "\Q$compression\E".*HINT/s,
		"compression '$compression'");
}

$node->stop;
done_testing();
