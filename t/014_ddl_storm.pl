
# Backups in a storm of DDL.  Every transaction writes down, in the table
# "truth", what it has made of a table and of a function.  A backup that completes
# agrees with that in all tables; one that does not names the table it lost.
# Nothing crashes.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my $tables = 5;
my $node = new_node('main');
create_db($node, 'storm', sql => qq{
	CREATE TABLE truth (k int PRIMARY KEY, n bigint, s bigint, version int);
	DO \$\$ BEGIN FOR i IN 1..$tables LOOP
		EXECUTE format('CREATE TABLE w%s (id int, v bigint, pad text)', i);
		EXECUTE format('INSERT INTO w%s SELECT g, g, repeat(md5(g::text), 80) FROM generate_series(1, 1000) g', i);
		EXECUTE format('CREATE FUNCTION f%s() RETURNS int LANGUAGE sql AS ''SELECT 0''', i);
		INSERT INTO truth VALUES (i, 1000, 500500, 0);
	END LOOP; END \$\$;});

# pgbench replaces variables anywhere, names of tables included.
my $fill = q{INSERT INTO w:k (id, v, pad) SELECT g, g, repeat(md5(g::text), 80) FROM generate_series(1, :n) g;};
my @changes = (
	"TRUNCATE w:k;\n$fill",
	"DROP TABLE w:k;\nCREATE TABLE w:k (id int, v bigint, pad text);\n$fill",
	'ALTER TABLE w:k ALTER id TYPE numeric;',
	'ALTER TABLE w:k ALTER id TYPE int;',
	'ALTER TABLE w:k RENAME TO w; ALTER TABLE w RENAME TO w:k;',
	'DELETE FROM w:k WHERE id % 7 = 3;',
	'UPDATE w:k SET v = v + 1;',
	"SAVEPOINT a;\nTRUNCATE w:k;\nROLLBACK TO a;\nINSERT INTO w:k VALUES (0, 5, NULL);");
my @scripts;
foreach my $change (@changes)
{
	my $script = $node->basedir . '/change' . @scripts;
	append_to_file($script, <<"SQL");
\\set k random(1, $tables)
\\set n random(100, 1500)
BEGIN;
SELECT 1 FROM truth WHERE k = :k FOR UPDATE;
$change
SELECT version + 1 AS version FROM truth WHERE k = :k \\gset
CREATE OR REPLACE FUNCTION f:k() RETURNS int LANGUAGE sql AS 'SELECT :version';
UPDATE truth SET version = :version, n = (SELECT count(*) FROM w:k), s = (SELECT sum(v) FROM w:k) WHERE k = :k;
COMMIT;
SQL
	push @scripts, '-f', $script;
}
my ($out, $err) = ('', '');
my $storm = IPC::Run::start(
	[ 'pgbench', '-h', $node->host, '-p', $node->port, '-n', '-c', '3', '-T', '600', '-R', '10', @scripts, 'storm' ],
	'>', \$out, '2>', \$err);
$node->poll_query_until('storm', 'SELECT sum(version) > 10 FROM truth') or die 'the storm does not begin';

my $check = join ' AND ', map {
	"(SELECT n = (SELECT count(*) FROM w$_) AND s = (SELECT sum(v) FROM w$_) AND version = f$_() FROM truth WHERE k = $_)"
} 1 .. $tables;
my ($completed, $failed, $wrong, $unnamed) = (0, 0, 0, 0);
for (my $i = 0; $i < 40 && ($completed < 4 || $failed < 4); $i++)
{
	my $id = start_backup($node, 'storm', destination => "storm-$i");
	if (wait_backup($node, $id) ne 'completed')
	{
		$failed++;
		my $error = history($node, $id, 'error');
		next if $error =~ /"public\.w\d" was truncated, rewritten or dropped/;
		diag($error);
		$unnamed++;
		next;
	}
	next if $completed++ >= 4;
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	my ($restored) = restore($node, history($node, $id, 'destination'), 'restored', '-e');
	$wrong++
	  unless $restored && $node->safe_psql('restored', "SELECT $check") eq 't';
	$node->safe_psql('postgres', 'DROP DATABASE restored');
}
ok($storm->pumpable, 'the storm went on') or diag($err);
$storm->kill_kill;

cmp_ok($completed, '>', 0, 'backups completed');
is($wrong, 0, 'and were as of one moment');
is($unnamed, 0, 'those that failed named the table');
note("$completed completed, $failed failed");
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal|leaked?\b/, 'nothing crashed or leaked');
is($node->safe_psql('storm', 'SELECT count(*) FROM backup_progress'), '0', 'nothing is left running');

$node->stop;
done_testing();
