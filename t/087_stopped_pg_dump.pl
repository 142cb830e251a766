
# pg_dump is stopped when it has written the table of contents, if it is not
# needed for any data.

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
create_db(
	$node, 'db', sql => q{
	CREATE TABLE a AS SELECT i AS id FROM generate_series(1, 1000) i;
	ALTER TABLE a ADD PRIMARY KEY (id);
	CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
	INSERT INTO b SELECT i, i FROM generate_series(1, 1000) i;
	CREATE SEQUENCE s; SELECT nextval('s') FROM generate_series(1, 42);
	CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM a;
	CREATE TABLE many (i int) PARTITION BY RANGE (i);
	SELECT format('CREATE TABLE many_%s PARTITION OF many FOR VALUES FROM (%s) TO (%s)', i, i, i + 1) FROM generate_series(1, 50) i \gexec
	INSERT INTO many SELECT generate_series(1, 50)});

# Says how pg_dump has ended, and what it has left.
my $base = $node->basedir;
my $script = "$base/tell";
append_to_file($script, <<"SCRIPT");
#!/bin/sh
echo a warning >&2
$base/pg_dump "\$@"
status=\$?
for arg; do case \$arg in --file=*) ls "\${arg#--file=}" | grep -c dat >'$base/files' ;; esac; done
echo \$status >'$base/status'
exit \$status
SCRIPT
chmod 0755, $script or die $!;

sub back_up
{
	my ($name, %args) = @_;
	unlink "$base/status", "$base/files";
	my $id = $node->safe_psql('db',
		"SET backup_bgw.pg_dump_path = '$script'; SELECT "
		  . start_sql(destination => $name, %args));
	is(wait_backup($node, $id), 'completed', "$name: completed")
	  or diag(history($node, $id, 'error'));
	chomp(my @told = map { slurp_file("$base/$_") } 'status', 'files');
	return (history($node, $id, 'destination'), @told);
}

# Nothing but tables
my $offset = -s $node->logfile;
my ($archive, $status, $files) = back_up('tables');
is($status, 1, 'tables: pg_dump was stopped');
cmp_ok($files, '<=', 2, 'tables: it has written no more than it had begun');
archives_equal(
	$node, $archive,
	stock_dump($node, 'db'),
	'tables: the archive is that of pg_dump');
$node->command_ok([ verify_command($node, $archive) ],
	'tables: pg_verifybackup');
my $log = slurp_file($node->logfile, $offset);
like($log, qr/LOG:  pg_dump: a warning/, 'what it said before is logged');
unlike($log, qr/FATAL|Dumping the contents/, 'but not that it was stopped');

# No data at all: it ends by itself.
($archive, $status, $files) = back_up('no data', exclude => ['*']);
is($status, 0, 'no data: pg_dump has ended');
archives_equal(
	$node, $archive,
	stock_dump($node, 'db', '-T', '*'),
	'no data: the archive is that of pg_dump');

# Rows that pg_dump reads itself
append_to_file("$sharedir/extension/stopped_ext.control",
	"comment = 'for t/087'\ndefault_version = '1'\nrelocatable = true\n");
append_to_file("$sharedir/extension/stopped_ext--1.sql",
	q{CREATE TABLE filtered (i int); SELECT pg_extension_config_dump('filtered', 'WHERE i > 1');}
);
$node->safe_psql('db',
	'CREATE EXTENSION stopped_ext; INSERT INTO filtered VALUES (1), (2)');
($archive, $status, $files) = back_up('filtered');
is($status, 0, 'filtered: pg_dump goes on');
archives_equal(
	$node, $archive,
	stock_dump($node, 'db'),
	'filtered: the archive is that of pg_dump');
($archive, $status, $files) =
  back_up('not filtered', exclude => ['filtered']);
is($status, 1, 'not filtered: pg_dump was stopped');


# Large objects are the workers', too, whether pg_dump has gone on or not.
$node->safe_psql('db',
	q{SELECT lo_from_bytea(10000 + i, decode(repeat(md5(i::text), i), 'hex')) FROM generate_series(1, 50) i}
);
foreach
  my $case ([ 'large', exclude => ['filtered'] ], ['large and filtered'])
{
	my ($name, @args) = @$case;
	$offset = -s $node->logfile;
	($archive, $status, $files) = back_up($name, @args);
	is($status, 1, "$name: pg_dump was stopped");
	archives_equal(
		$node, $archive,
		stock_dump($node, 'db', @args ? ('-T', 'filtered') : ()),
		"$name: the archive is that of pg_dump");
	$node->command_ok([ verify_command($node, $archive) ],
		"$name: pg_verifybackup");
	my @said = slurp_file($node->logfile, $offset) =~ /LOG:  pg_dump: (.*)/g;
	is("@said", 'a warning', "$name: what is logged of pg_dump");
}

unlink "$sharedir/extension/stopped_ext.control",
  "$sharedir/extension/stopped_ext--1.sql";
$node->stop;
done_testing();
