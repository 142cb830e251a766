
# Tables are read while pg_dump still reads the schema; what is read then is
# foreseen, and put right when pg_dump has told.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my ($sharedir) = `pg_config --sharedir` =~ /(.*)/;
plan skip_all => 'extensions cannot be installed'
  unless -w "$sharedir/extension";

my $node = new_node('main', conf => "autovacuum = off\n");
my $dir = backup_dir($node);
create_db(
	$node, 'db', sql => q{
	CREATE SCHEMA s;
	CREATE TABLE a AS SELECT i, md5(i::text) AS t FROM generate_series(1, 3000) i;
	CREATE TABLE b AS SELECT i, md5(i::text) AS t FROM generate_series(1, 2000) i;
	CREATE TABLE s.c (id serial PRIMARY KEY, t text);
	INSERT INTO s.c (t) SELECT repeat(md5(i::text), 100) FROM generate_series(1, 50) i;
	CREATE UNLOGGED TABLE u AS SELECT 1 AS i;
	CREATE TABLE p (i int) PARTITION BY LIST (i);
	CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1);
	INSERT INTO p VALUES (1);
	CREATE MATERIALIZED VIEW m AS SELECT * FROM b;
	SELECT lo_from_bytea(4711, 'large');});
my $stock = stock_dump($node, 'db');

# pg_dump is held, but the workers are not.
sub hold_pg_dump_only
{
	hold_pg_dump($node);
	$ENV{PGOPTIONS} = '';
	return;
}

sub wait_tables_done
{
	my ($id) = @_;
	return $node->poll_query_until('postgres',
		"SELECT phase = 'schema' AND tables_done = tables_total AND bytes_done = bytes_total FROM backup_progress WHERE backup_id = $id"
	);
}

# All tables are read before pg_dump has ended.
hold_pg_dump_only();
my $id = start_backup($node, 'db', destination => 'overlap');
wait_held($node);
ok(wait_tables_done($id), 'all tables are read in phase schema');

# a page of the large object, too
my $size = $node->safe_psql(
	'db',
	q{SELECT 2048 + sum(pg_relation_size(oid) + CASE WHEN reltoastrelid <> 0 THEN pg_relation_size(reltoastrelid) ELSE 0 END)
	FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 's'::regnamespace)}
);
is( progress(
		$node,
		$id,
		'tables_total, tables_done, bytes_total, bytes_done, percent, bytes_written > 0'
	),
	"5|5|$size|$size|100|t",
	'backup_progress tells of it');
is( $node->safe_psql(
		'postgres',
		"SELECT count(*), count(relation), sum(bytes_done) FROM backup_workers WHERE role = 'worker' AND backup_id = $id"
	),
	"2|0|$size",
	'backup_workers, too');
my @names = slurp_dir("$dir/overlap.partial");
is(scalar(grep { /^rows_\d+_1\.tmp$/ } @names), 5, 'a file of each');
is(scalar(grep { /\.dat/ && !/^blob_/ } @names),
	0, 'none is named as if it was complete');

# Files that have been read are kept until pg_dump needs no more.
$node->safe_psql('db', 'TRUNCATE a; DROP TABLE b CASCADE; VACUUM FULL s.c');
cmp_ok(progress($node, $id, 'preserved_bytes'),
	'>', 100000, 'files of tables are kept for pg_dump');
my $query = new_session($node, 'db');
session_query($query,
	"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT 'backup_bgw:$id'"
);
is(session_query($query, 'SELECT count(*) FROM a'),
	3000, 'and a session sees them');
$query->quit;
release_pg_dump($node);
is(wait_backup($node, $id), 'completed', 'completed')
  or diag(history($node, $id, 'error'));
archives_equal($node, "$dir/overlap", $stock,
	'the archive is that of pg_dump');
is(history($node, $id, 'tables'), 5, 'backup_history counts tables');
is( scalar(
		grep { !/^(\d+\.dat|blob_|blobs|toc\.dat|backup_manifest)/ && !/^\./ }
		  slurp_dir("$dir/overlap")),
	0,
	'nothing else is in it');
$node->command_ok([ verify_command($node, "$dir/overlap") ],
	'pg_verifybackup');
no_orphans($node, 'no file is left of what was dropped', 'db');

# It can be cancelled, or fail, there.
hold_pg_dump_only();
$id = start_backup($node, 'db', destination => 'cancelled');
wait_held($node);
wait_tables_done($id) or die;
$node->safe_psql('db', "SELECT cancel_backup($id)");
is(wait_backup($node, $id), 'cancelled', 'cancelled in phase schema');
release_pg_dump($node);
ok(!-e "$dir/cancelled.partial", 'nothing is left');

hold_pg_dump_only();
$id = start_backup($node, 'db', destination => 'failed');
wait_held($node);
wait_tables_done($id) or die;
$node->safe_psql('postgres',
	"SELECT pg_terminate_backend(pid) FROM backup_workers WHERE role = 'worker' AND backup_id = $id LIMIT 1"
);
is(wait_backup($node, $id), 'failed', 'a worker ended in phase schema');
like(history($node, $id, 'error'), qr/worker/, 'the error says so');
release_pg_dump($node);
ok(!-e "$dir/failed.partial", 'nothing is left of that either');

# What is excluded is not read, and what pg_dump takes besides is not forgotten:
# tables of extensions, with and without a filter.
append_to_file("$sharedir/extension/overlap_ext.control",
	"comment = 'for t/085'\ndefault_version = '1'\nrelocatable = true\n");
append_to_file(
	"$sharedir/extension/overlap_ext--1.sql",
	q{CREATE TABLE plain (i int); CREATE TABLE config (i int); CREATE TABLE filtered (i int);
	INSERT INTO plain VALUES (1); INSERT INTO config VALUES (1);
	SELECT pg_extension_config_dump('config', ''); SELECT pg_extension_config_dump('filtered', 'WHERE i > 1');}
);
$node->safe_psql('db',
	'CREATE EXTENSION overlap_ext; INSERT INTO filtered VALUES (1), (2); INSERT INTO config VALUES (2); CREATE TABLE b (i int); CREATE MATERIALIZED VIEW m AS SELECT 1 AS i'
);
foreach my $case (
	[ 'everything', {}, 6 ],
	[ 'exclude', { exclude => [ 'a', 's.*' ] }, 4 ],
	[
		'include', { include => [ 'a', 'p_?', 'm' ], exclude => ['plain'] },
		2
	],
	[ 'a catalog', { include => ['pg_catalog.pg_class'] }, 1 ],
	[
		'of an extension', { include => [ 'config', 'filtered', 'plain' ] },
		1
	])
{
	my ($name, $args, $expected) = @$case;
	hold_pg_dump_only();
	$id = start_backup($node, 'db', destination => $name, %$args);
	wait_held($node);
	ok(wait_tables_done($id), "$name: read in phase schema");
	is(progress($node, $id, 'tables_total'),
		$expected, "$name: number of tables that are foreseen");
	release_pg_dump($node);
	is(wait_backup($node, $id), 'completed', "$name: completed")
	  or diag(history($node, $id, 'error'));
	is(history($node, $id, 'tables'), $expected, "$name: number of tables");
	my @options = map { ('-t', $_) } @{ $args->{include} || [] };
	push @options, map { ('-T', $_) } @{ $args->{exclude} || [] };
	same_text(
		archive_text($node, "$dir/$name"),
		archive_text($node, stock_dump($node, 'db', @options)),
		"$name: the archive is that of pg_dump") if $name ne 'a catalog';
}

# pg_dump wants something else than was foreseen.
sub pretend
{
	my ($name, $script) = @_;
	my $file = $node->basedir . "/$name";
	append_to_file($file,
		"#!/bin/sh\n" . sprintf($script, $node->basedir . '/pg_dump') . "\n");
	chmod 0755, $file or die $!;
	return "SET backup_bgw.pg_dump_path = '$file'; SELECT ";
}
my $less = pretend('less', 'exec %s "$@" --exclude-table-data=public.a');
my $more = pretend('more',
	'for a do case $a in --exclude-table=*) ;; *) set -- "$@" "$a" ;; esac; shift; done; exec %s "$@"'
);

# Starts a backup after other SQL; with $overlap all tables are read before pg_dump
# ends, else none is.
sub back_up
{
	my ($overlap, $sql, %args) = @_;
	hold_pg_dump($node);
	$ENV{PGOPTIONS} = '' if $overlap;
	my $started = $node->safe_psql('db', $sql . start_sql(%args));
	wait_held($node);
	wait_tables_done($started) or die if $overlap;
	release_pg_dump($node);
	return $started;
}

foreach my $overlap (1, 0)
{
	my $name = $overlap ? 'read' : 'not read';
	$id = back_up($overlap, $less, destination => "less $name");
	is(wait_backup($node, $id),
		'completed', "a table is not wanted, and was $name")
	  or diag(history($node, $id, 'error'));
	is(history($node, $id, 'tables'), 5, "$name: it does not count");
	same_text(
		archive_text($node, "$dir/less $name"),
		archive_text(
			$node, stock_dump($node, 'db', '--exclude-table-data=public.a')),
		"$name: it is not in the archive");
	is(scalar(grep { /rows/ } slurp_dir("$dir/less $name")),
		0, "$name: nor is its file");
	$node->command_ok([ verify_command($node, "$dir/less $name") ],
		"$name: pg_verifybackup");

	$id = back_up(
		$overlap, $more,
		destination => "more $name",
		exclude => [ 'a', 'filtered' ]);
	is(wait_backup($node, $id),
		'completed', "a table was not foreseen, others were $name")
	  or diag(history($node, $id, 'error'));
	is(history($node, $id, 'tables'), 6, "$name: it counts");
	archives_equal(
		$node,
		"$dir/more $name",
		stock_dump($node, 'db'),
		"$name: it is in the archive");
}

unlink "$sharedir/extension/overlap_ext.control",
  "$sharedir/extension/overlap_ext--1.sql";
$node->stop;
done_testing();
