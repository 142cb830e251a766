
# Large objects: the groups in which pg_dump 17 and later has them, their owners,
# privileges and comments, and their contents as of the snapshot, byte for byte:
# holes, pages that are not full, compressed ones.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $node = new_node('main', conf => "autovacuum = off\n");

# From 17 on pg_dump makes an archive entry, and a list blobs_<id>.toc, for each
# owner and set of privileges, but none of more than 1000.  Before there is one
# list for all.
create_db(
	$node, 'lo', sql => q{
	CREATE ROLE lo_owner; CREATE ROLE "lo ""reader""";
	CREATE TABLE refs AS SELECT 10000 + i AS lo FROM generate_series(1, 2300) i;
	SELECT count(lo_from_bytea(lo, decode(repeat(md5(lo::text) || '5c0a', lo % 40), 'hex'))) FROM refs;
	SELECT lo_from_bytea(1, decode(repeat(md5('1'), 100000), 'hex')), lo_create(2), lo_from_bytea(3, 'x'), lo_from_bytea(4294967295, 'last');
	SELECT lo_put(2, 5000000, 'after a hole');
	SELECT lo_create(6), lo_create(7), lo_create(8);
	SELECT lo_put(6, 0, 'short'), lo_put(6, 2048, 'short, too'), lo_put(6, 6000, 'in the middle'), lo_put(6, 8191, '12');
	SELECT lo_put(7, 4096, 'begins with a hole'), lo_put(7, 20000, 'x');
	SELECT lo_put(8, 0, convert_to(repeat('x', 10000), 'UTF8'));
	SELECT lo_truncate(lo_open(8, 131072), 3000);
	SELECT lo_put(8, 4000, 'y');
	SELECT lo_from_bytea(9, decode((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3200000) i), 'hex'));
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT lo FROM refs WHERE lo % 20 = 0 LOOP
			EXECUTE format('ALTER LARGE OBJECT %s OWNER TO lo_owner', r.lo);
		END LOOP;
		FOR r IN SELECT lo FROM refs WHERE lo % 30 = 0 LOOP
			EXECUTE format('GRANT SELECT, UPDATE ON LARGE OBJECT %s TO "lo ""reader""" WITH GRANT OPTION', r.lo);
		END LOOP;
	END $$;
	REVOKE ALL ON LARGE OBJECT 3 FROM CURRENT_USER;
	COMMENT ON LARGE OBJECT 3 IS 'of ''mine''';});

my $stock = stock_dump($node, 'lo');
my @lists = files_of($stock, qr/^blobs.*toc$/);
cmp_ok(
	scalar @lists,
	'>=',
	major($node) >= 17 ? 7 : 1,
	'groups of large objects');

sub files_of
{
	my ($dir, $pattern) = @_;
	return sort grep { /$pattern/ } slurp_dir($dir);
}

sub contents
{
	my ($db) = @_;
	return $node->safe_psql(
		$db, q{
		SELECT count(*), md5(string_agg(oid || ' ' || lomowner::regrole || ' ' || coalesce(lomacl::text, '') || md5(lo_get(oid)), ',' ORDER BY oid))
		  FROM pg_largeobject_metadata});
}
my $contents = contents('lo');

# Nothing changes: the same files, in each form, restored in each way
foreach my $compression (built_in($node, qw(lz4 zstd gzip none)))
{
	my $backup = backup_ok($node, 'lo', compression => $compression);
	data_files_equal($node, 'lo', $backup, $compression);
	is( join(' ', files_of($backup, qr/toc$/)),
		join(' ', @lists),
		"$compression: the lists are as pg_dump made them");
	$node->command_ok(
		[ verify_command($node, $backup) ],
		"$compression: pg_verifybackup");
	foreach my $way (
		[ '-e', '-j', '4' ],
		$compression eq 'none' ? ()
		: major($node) >= 17   ? ['--transaction-size=100']
		:                        ['-1'])
	{
		my $db = join('', 'lo_', $compression, @$way) =~ s/\W//gr;
		restore_ok($node, $backup, $db, @$way);
		is(contents($db), $contents, "$compression: contents, @$way");
	}
	same_dump($node, 'lo_lz4ej4', 'lo') if $compression eq 'lz4';

	# One group by its entry in the list of contents
	next if major($node) < 17;
	my @entries =
	  grep { / BLOB(S| METADATA) .* lo_owner/ } toc_list($node, $backup);
	my $list = $node->basedir . "/list-$compression";
	append_to_file($list, join("\n", @entries) . "\n");
	restore_ok($node, $backup, "lo_group_$compression", '-e', '-L', $list);
	is( $node->safe_psql(
			"lo_group_$compression",
			q{SELECT count(*), count(lo_get(oid)) FROM pg_largeobject_metadata}
		),
		'115|115',
		"$compression: one owner's large objects alone");
}

# All have changed since the snapshot when pg_dump begins, and when it has the list.
my ($id, $session);
hold_pg_dump($node, 1);
($id, $session) =
  start_in_background($node, 'lo', { destination => 'changed' });
wait_held($node);
$node->safe_psql(
	'lo', q{
	DROP TABLE refs;
	SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata WHERE oid::int8 % 3 = 0;
	SELECT count(lo_put(oid, 0, 'changed')) FROM pg_largeobject_metadata;
	SELECT lo_truncate(lo_open(1, 131072), 0);
	SELECT lo_from_bytea(5, 'new');
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT oid FROM pg_largeobject_metadata WHERE oid < 10500 LOOP
			EXECUTE format('ALTER LARGE OBJECT %s OWNER TO lo_owner', r.oid);
			EXECUTE format('GRANT ALL ON LARGE OBJECT %s TO PUBLIC', r.oid);
			EXECUTE format('COMMENT ON LARGE OBJECT %s IS %L', r.oid, 'later');
		END LOOP;
	END $$;});
$node->safe_psql('lo', $_)
  foreach 'VACUUM FULL pg_largeobject', 'VACUUM FULL pg_largeobject_metadata',
  'REINDEX TABLE pg_largeobject';
release_pg_dump($node);
$session->quit;
is(wait_backup($node, $id), 'completed', 'all has changed: completed')
  or diag(history($node, $id, 'error'));
my $changed = history($node, $id, 'destination');
archives_equal($node, $changed, $stock, 'all has changed');
restore_ok($node, $changed, 'lo_changed', '-e', '-j', '4');
is(contents('lo_changed'), $contents, 'all has changed: contents');

# What the server's own functions do not accept is not in a backup either.  Pages
# that belong to no large object, or to no place in it, are in none.
create_db($node, 'damaged',
	sql =>
	  q{SELECT lo_from_bytea(i, decode(repeat('ab', 5000), 'hex')) FROM generate_series(1, 3) i}
);
foreach my $case (
	{
		name => 'a page too big',
		sql =>
		  q{UPDATE pg_largeobject SET data = decode(repeat('cd', 3000), 'hex') WHERE loid = 2 AND pageno = 1},
		undo =>
		  q{UPDATE pg_largeobject SET data = decode(repeat('cd', 2048), 'hex') WHERE loid = 2 AND pageno = 1},
		error =>
		  qr/pg_largeobject entry for OID 2, page 1 has an invalid data field size/
	})
{
	my $mods = 'SET allow_system_table_mods = on';
	$node->safe_psql('damaged', "$mods; $case->{sql}");
	backup_fails($node, start_backup($node, 'damaged'),
		$case->{error}, $case->{name});
	$node->safe_psql('damaged', "$mods; $case->{undo}");
}
$node->safe_psql('damaged',
	q{SET allow_system_table_mods = on; INSERT INTO pg_largeobject SELECT loid, pageno, 'x' FROM (VALUES (4::oid, 0), (2147483647, 0), (2, -1)) v (loid, pageno)}
);
my $sound = backup_ok($node, 'damaged', compression => 'none');
is( join(' ', files_of($sound, qr/^blob_/)),
	'blob_1.dat blob_2.dat blob_3.dat',
	'pages of no large object are left out');
data_files_equal($node, 'damaged', $sound, 'none');

# Up to 16 one can have pg_dump list large objects that it does not tell of.
if (major($node) < 17)
{
	my $wrapper = $node->basedir . '/data';
	append_to_file($wrapper,
		"#!/bin/sh\nexec pg_dump \"\$\@\" --section=data\n");
	chmod 0755, $wrapper or die $!;
	my $data = $node->safe_psql('damaged',
		"SET backup_bgw.pg_dump_path = '$wrapper'; SELECT "
		  . start_sql(destination => 'data'));
	backup_fails(
		$node, $data,
		qr/unexpected list "blobs.toc" of large objects/,
		'a list of large objects that are not in the table of contents');
}

$node->stop;
done_testing();
