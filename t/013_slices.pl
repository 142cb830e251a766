
# backup_bgw.slice_size: big tables are written in several files, and restored
# by several jobs at once.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $slice = 8;    # blocks
my $node = new_node('main',
	conf => "backup_bgw.slice_size = $slice\nautovacuum = off\n");

# Rows of 7 kB fill a block each.
my $rows = q{SELECT repeat(md5(i::text), 220) FROM generate_series(1, %d) i};
my ($two, $three) = (2 * $slice, 3 * $slice);
create_db(
	$node, 'db', sql => qq{
	CREATE TABLE parent (id int PRIMARY KEY, t text UNIQUE, u int CHECK (u > 0));
	INSERT INTO parent SELECT i, md5(i::text), i FROM generate_series(1, 10000) i;
	CREATE INDEX parent_u ON parent (u DESC) WHERE u > 5;
	COMMENT ON INDEX parent_u IS 'an index';
	CREATE TABLE child (id int REFERENCES parent);
	INSERT INTO child SELECT i FROM generate_series(1, 5000) i;
	CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''the trigger is there before the rows''; END';
	CREATE TRIGGER stop BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION stop();
	CREATE TABLE empty (t text);
	CREATE TABLE one_slice (t text); ALTER TABLE one_slice ALTER t SET STORAGE plain;
	CREATE TABLE and_a_block (t text); ALTER TABLE and_a_block ALTER t SET STORAGE plain;
	CREATE TABLE hole (t text); ALTER TABLE hole ALTER t SET STORAGE plain;
	INSERT INTO one_slice @{[ sprintf $rows, $slice ]};
	INSERT INTO and_a_block @{[ sprintf $rows, $slice + 1 ]};
	INSERT INTO hole @{[ sprintf $rows, $three ]};
	DELETE FROM hole WHERE ctid >= '($slice,0)' AND ctid < '($two,0)';
	CREATE TABLE toasted (id serial PRIMARY KEY, t text);
	ALTER TABLE toasted ALTER t SET STORAGE external;
	INSERT INTO toasted (t) SELECT repeat(md5(i::text), 1 + 100 * (i % 2)) FROM generate_series(1, 2000) i;
	CREATE TABLE part (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (4000);
	CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (4000) TO (10000);
	INSERT INTO part SELECT i, md5(i::text) FROM generate_series(1, 8000) i;
	SELECT lo_from_bytea(1, 'x');});

# { oid => number of files it must have }, and their names
my (%expected, %relname);
foreach (
	split /\n/,
	$node->safe_psql(
		'db', qq{
	SELECT oid, greatest(1, ceil(pg_relation_size(oid) / 8192.0 / $slice)), relname
	  FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace}
	))
{
	my ($oid, $files, $relname) = split /\|/;
	$expected{$oid} = $files;
	$relname{$relname} = $oid;
}
is($expected{ $relname{one_slice} }, 1,
	'one table fits into a slice exactly');
is($expected{ $relname{and_a_block} }, 2, 'one is a block bigger');
is($expected{ $relname{hole} }, 3, 'one has three slices');
cmp_ok($expected{ $relname{parent} }, '>', 4, 'one has many');

# Entries of an archive: { id => { oid, desc, deps => [ids] } }, in $ids their order.
sub entries
{
	my ($archive, $ids) = @_;
	my (%entries, $last);
	foreach (
		split /\n/,
		BackupBgwTest::run_quietly($node, 'pg_restore', '-l', '-v', $archive))
	{
		if (/^(\d+); \d+ (\d+) (TABLE DATA|FK CONSTRAINT|[A-Z]+)/)
		{
			$last = $1;
			$entries{$last} = { oid => $2, desc => $3, deps => [] };
			push @$ids, $last;
		}
		elsif (/^;\tdepends on: (.*)/)
		{
			$entries{$last}{deps} = [ split / /, $1 ];
		}
	}
	return \%entries;
}

# Slices that are restored at once come in any order.
sub sorted_dump
{
	my ($db) = @_;
	return join("\n", sort split /\n/, dump_text($node, $db));
}

my $stock = $node->basedir . '/stock';
$node->command_ok(
	[ 'pg_dump', '-Fd', '-Z0', '--no-sync', '-f', $stock, 'db' ],
	'stock pg_dump');
my (@stock_ids, @ids);
my $stock_entries = entries($stock, \@stock_ids);

foreach my $compression (built_in($node, qw(lz4 zstd gzip none)))
{
	my $backup = backup_ok(
		$node, 'db',
		compression => $compression,
		jobs => 3,
		name => "slices, compression $compression");
	my $suffix = suffix_of($compression);
	my $plain = plain_copy($backup);
	my (@files, @differ);

	# File names, and the rows in them: together those of pg_dump, in order
	foreach
	  my $id (grep { $stock_entries->{$_}{desc} eq 'TABLE DATA' } @stock_ids)
	{
		my $n = $expected{ $stock_entries->{$id}{oid} };
		my @names = ("$id.dat", map { "${id}_$_.dat" } 2 .. $n);
		my $text = '';
		push @files, map { "$_$suffix" } @names;
		foreach my $name (@names)
		{
			my $slice_text =
			  -e "$plain/$name" ? slurp_file("$plain/$name") : '';
			$slice_text =~ s/^\\\.\n\n\n\z//m
			  or push @differ, "$name has no end mark";
			$text .= $slice_text;
		}
		push @differ, "@names"
		  if "$text\\.\n\n\n" ne slurp_file("$stock/$id.dat");
	}
	is( join(' ', sort grep { /^\d/ } slurp_dir($backup)),
		join(' ', sort @files),
		"compression $compression: names of data files");
	is("@differ", '',
		"compression $compression: rows of all slices are those of pg_dump");
	$node->command_ok(
		[ verify_command($node, $backup) ],
		"compression $compression: pg_verifybackup");

	# Entries and their dependencies, as toc.h has it
	@ids = ();
	my $entries = entries($backup, \@ids);
	is( join("\n",
			map  { "$_ $entries->{$_}{desc}" }
			grep { $stock_entries->{$_} } @ids),
		join("\n", map { "$_ $stock_entries->{$_}{desc}" } @stock_ids),
		"compression $compression: pg_dump's entries");
	my ($encoding) = grep { $entries->{$_}{desc} eq 'ENCODING' } @ids;
	my %data;
	push @{ $data{ $entries->{$_}{oid} } }, $_
	  foreach grep { $entries->{$_}{desc} eq 'TABLE DATA' } @ids;
	is( join(' ', map { "$_=" . @{ $data{$_} } } sort keys %data),
		join(' ', map { "$_=$expected{$_}" } sort keys %expected),
		"compression $compression: an entry for each file");

	my @wrong;
	my $checked = 0;
	foreach my $id (@ids)
	{
		my $entry = $entries->{$id};
		my @deps = @{
			(        $stock_entries->{$id}
				  || $stock_entries->{ $data{ $entry->{oid} }[0] })->{deps}
		};
		if ($entry->{desc} eq 'TABLE DATA')
		{
			unshift @deps, $encoding if $expected{ $entry->{oid} } > 1;
			push @wrong, $id if "@{$entry->{deps}}" ne "@deps";
			next;
		}
		if ($entry->{desc} =~ /^(CONSTRAINT|FK CONSTRAINT|INDEX|TRIGGER)$/)
		{
			my %seen;    # pg_dump may name a table twice
			foreach my $table (
				grep {
						 $stock_entries->{$_}
					  && $stock_entries->{$_}{desc} eq 'TABLE'
					  && !$seen{$_}++
				} @deps)
			{
				my $oid = $entries->{$table}{oid};
				next unless $expected{$oid} && $expected{$oid} > 1;
				push @deps, @{ $data{$oid} };
				$checked++;
			}
		}
		push @wrong, $id
		  if join(' ', sort @{ $entry->{deps} }) ne join(' ', sort @deps);
	}
	is( join("\n",
			map { "$_ $entries->{$_}{desc}: @{$entries->{$_}{deps}}" }
			  @wrong),
		'',
		"compression $compression: dependencies");
	cmp_ok($checked, '>=', 9,
		"compression $compression: and there were some");

	restore_ok($node, $backup, "${compression}_1", '-e');
	same_dump($node, "${compression}_1", 'db');
	restore_ok($node, $backup, "${compression}_4", '-e', '-j', '4');
	same_text(sorted_dump("${compression}_4"), sorted_dump('db'),
		"compression $compression: parallel restore has the same dump, but for the order"
	);
	is( $node->safe_psql(
			"${compression}_4",
			q{SELECT (SELECT bool_and(indisvalid) FROM pg_index), (SELECT bool_and(convalidated) FROM pg_constraint), count(*) FROM pg_index WHERE indrelid >= 16384}
		),
		$node->safe_psql(
			'db',
			q{SELECT true, true, count(*) FROM pg_index WHERE indrelid >= 16384}
		),
		"compression $compression: indexes and constraints are valid");
	is( $node->safe_psql(
			"${compression}_4",
			q{SET enable_seqscan = off; SELECT count(*), sum(u) FROM parent WHERE u > 5}
		),
		$node->safe_psql(
			'db', q{SELECT count(*), sum(u) FROM parent WHERE u > 5}),
		"compression $compression: index holds all rows");
}

# One table of several files
my $backup = backup_ok($node, 'db');
my $id =
  $node->safe_psql('postgres', 'SELECT max(backup_id) FROM backup_history');
is( history($node, $id, 'tables'),
	scalar(keys %expected),
	'tables, not slices, are counted');
restore_ok($node, $backup, 'alone', '-e', '-t', 'parent', '-j', '2');
is($node->safe_psql('alone', 'SELECT count(*), sum(id) FROM parent'),
	'10000|50005000', 'restored a table by its name');

# Off again: one file each
my $whole = $node->safe_psql('db',
	'SET backup_bgw.slice_size = 0; SELECT '
	  . start_sql(destination => 'whole'));
is(wait_backup($node, $whole), 'completed', 'slice_size 0')
  or diag(history($node, $whole, 'error'));
data_files_equal($node, 'db', history($node, $whole, 'destination'),
	'slice_size 0');
cmp_ok(
	abs(history($node, $id, 'bytes_read') -
		  history($node, $whole, 'bytes_read')),
	'<', 100,
	'as many bytes are read in slices');

$node->stop;
done_testing();
