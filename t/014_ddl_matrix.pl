
# Every kind of DDL, at every moment of a backup, ends while the backup runs; and
# the backup is as of its snapshot, definitions and rows.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;
use DdlKinds;

my $node = new_node('main', conf => "autovacuum = off\n");
my @kinds = ddl_create_db($node, 'ddl_template', ddl_kinds());

my ($id, $stock) = ddl_backup(
	$node, 'ddl_template', 'before_pg_dump',
	'before pg_dump',
	grep { !$_->{waits} } @kinds);
cmp_ok(history($node, $id, 'files_preserved'), '>', 0,
	'files were preserved');

# It can be restored.  The script of the extension would make this table.
create_db(
	$node, 'restored', sql => q{
	CREATE TABLE public.configuration (a int, b text, standard boolean);
	ALTER EXTENSION backup_bgw ADD TABLE public.configuration;
	UPDATE pg_extension SET extconfig = ARRAY['public.configuration'::regclass]::oid[], extcondition = ARRAY['WHERE NOT standard ORDER BY a'] WHERE extname = 'backup_bgw';}
);
my $archive = history($node, $id, 'destination');
restore_ok($node, $archive, 'restored', '-e') if -e $archive;
# In 18 a restored partition may name its NOT NULL constraints otherwise.
same_text(
	(   map { s/ CONSTRAINT \w+_not_null\d* NOT NULL/ NOT NULL/gr }
		  dump_text($node, 'restored'),
		archive_text($node, $stock)),
	'the restored database has the dump of S');

ddl_backup($node, 'ddl_template', 'plan', 'before the plan', @kinds);
my @quick = grep { !$_->{barrier} } @kinds;
ddl_backup($node, 'ddl_template', 'unread', 'before the table is read',
	@quick);
ddl_backup($node, 'ddl_template', 'done', 'after the table was read', @quick);

# Tables that S does not know cost nothing.
{
	create_db($node, 'scratch', sql => q{CREATE TABLE t AS SELECT 1 AS a});
	hold_pg_dump($node);
	$id = start_backup($node, 'scratch', destination => 'scratch');
	wait_held($node);
	$node->safe_psql(
		'scratch', q{
		DO $$ BEGIN FOR i IN 1..2000 LOOP
			EXECUTE format('CREATE TABLE s%s (id serial PRIMARY KEY, t text); INSERT INTO s%1$s (t) VALUES (1); TRUNCATE s%1$s; DROP TABLE s%1$s', i);
			COMMIT;
		END LOOP; END $$;});
	is(progress($node, $id, 'files_preserved'),
		'0', '2000 tables made and dropped after S: no file is preserved');
	release_pg_dump($node);
	is(wait_backup($node, $id),
		'completed',
		'2000 tables made and dropped after S: the backup is completed');
	is(history($node, $id, 'files_preserved'),
		'0', '2000 tables made and dropped after S: no file was preserved');
}

no_orphans($node, 'all files of what was dropped are gone');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
