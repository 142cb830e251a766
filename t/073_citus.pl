
# Tables of Citus have their rows in shards, where a table worker does not look:
# the backup is refused.  Here an extension of that name stands in for Citus.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

my ($sharedir) = `pg_config --sharedir` =~ /(.*)/;
plan skip_all => 'the extensions of this server are not for tests to change'
  if -e "$sharedir/extension/citus.control" || !-w "$sharedir/extension";

append_to_file("$sharedir/extension/citus.control",
	"default_version = '1'\nrelocatable = false\nschema = pg_catalog\n");
append_to_file("$sharedir/extension/citus--1.sql", <<'SQL');
CREATE SCHEMA citus;
CREATE TABLE citus.pg_dist_partition (logicalrelid regclass NOT NULL PRIMARY KEY, partmethod "char" NOT NULL);
ALTER TABLE citus.pg_dist_partition SET SCHEMA pg_catalog;
SQL

my $node = new_node('main');
create_db(
	$node, 'coordinator', sql => q{
	CREATE EXTENSION citus;
	CREATE TABLE local AS SELECT 1 AS a;
	CREATE TABLE "Reference" (a int);
	CREATE TABLE dist (a int);});

my $archive = backup_ok($node, 'coordinator',
	name => 'Citus without tables is no obstacle');
my $session = new_session($node, 'coordinator');
session_query($session,
	q{BEGIN; LOCK pg_dist_partition; INSERT INTO pg_dist_partition VALUES ('dist', 'h')}
);
backup_ok($node, 'coordinator', name => 'nor is a table yet to come');
session_query($session, 'COMMIT');

start_fails(
	$node,
	'coordinator',
	{ destination => 'refused' },
	'0A000',
	qr/database "coordinator" has tables that are managed by Citus.*The rows of 1 tables, of which "dist" is one, are in shards/s,
	'a distributed table');
session_query($session,
	q{BEGIN; UPDATE pg_dist_partition SET logicalrelid = '"Reference"'; REINDEX TABLE pg_dist_partition}
);
start_fails(
	$node,
	'coordinator',
	{ destination => 'refused', include => ['local'] },
	'0A000',
	qr/"dist" is one/,
	'also beside a transaction that has the catalog locked');
session_query($session, 'COMMIT; TRUNCATE pg_dist_partition');
backup_ok($node, 'coordinator', name => 'back to local tables');

# a table of that name alone is nobody's business
create_db(
	$node, 'no_citus', sql => q{
	CREATE TABLE pg_dist_partition (logicalrelid regclass);
	INSERT INTO pg_dist_partition VALUES ('pg_class');});
backup_ok($node, 'no_citus', name => 'a table of the same name');

$session->quit;
$node->stop;
unlink "$sharedir/extension/citus.control",
  "$sharedir/extension/citus--1.sql";
done_testing();
