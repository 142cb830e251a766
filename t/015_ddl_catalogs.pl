
# Catalogs that get new files during a backup; and all DDL once more with
# wal_level = logical, when the server looks for catalogs, and for tables that
# say they are like catalogs, in their present files.

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
create_db($node, 'sink', file => $kitchen_sink, sql => $gate);
# a copy of the database has no subscription
$node->safe_psql(
	'sink', q{
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT subname FROM pg_subscription LOOP EXECUTE format('DROP SUBSCRIPTION %I', r.subname); END LOOP;
	END $$});

my @rewrites = map { { name => $_, schema => 'pg_catalog', ddl => $_ } } (
	(   map { "VACUUM FULL $_" } split /\n/,
		$node->safe_psql(
			'sink', q{
	SELECT oid::regclass FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' ORDER BY relname}
		)),
	# what was a catalog's second file since S is nobody's
	'CLUSTER pg_class USING pg_class_oid_index',
	'CLUSTER pg_attrdef USING pg_attrdef_oid_index',
	'CLUSTER pg_rewrite USING pg_rewrite_oid_index',
	'VACUUM FULL pg_toast.pg_toast_2618',
	'REINDEX TABLE pg_toast.pg_toast_2618',
	'REINDEX TABLE pg_class',
	'REINDEX INDEX pg_constraint_oid_index',
	'REINDEX SYSTEM sink',
	'REINDEX SCHEMA pg_catalog');
my $drop_all = {
	name => 'DROP of everything',
	schema => 'pg_catalog',
	ddl => q{
	DO $$ DECLARE r record; BEGIN
		FOR r IN SELECT evtname FROM pg_event_trigger LOOP EXECUTE format('DROP EVENT TRIGGER %I', r.evtname); END LOOP;
		FOR r IN SELECT pubname FROM pg_publication LOOP EXECUTE format('DROP PUBLICATION %I', r.pubname); END LOOP;
		FOR r IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public') LOOP
			EXECUTE format('DROP SCHEMA %I CASCADE', r.nspname); END LOOP;
		FOR r IN SELECT extname FROM pg_extension WHERE extname NOT IN ('plpgsql', 'backup_bgw') LOOP EXECUTE format('DROP EXTENSION %I CASCADE', r.extname); END LOOP;
		FOR r IN SELECT fdwname FROM pg_foreign_data_wrapper LOOP EXECUTE format('DROP FOREIGN DATA WRAPPER %I CASCADE', r.fdwname); END LOOP;
		FOR r IN SELECT amname FROM pg_am WHERE amname LIKE 'ks%' LOOP EXECUTE format('DROP ACCESS METHOD %I CASCADE', r.amname); END LOOP;
		PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
	END $$}
};

sub rewrites
{
	my ($db) = @_;
	return map {
		{ %$_, ddl => $_->{ddl} =~ s/ SYSTEM \K\w+/$db/r }
	} @rewrites;
}

foreach my $level ('replica', 'logical')
{
	if ($node->safe_psql('postgres', 'SHOW wal_level') ne $level)
	{
		$node->append_conf('postgresql.conf', "wal_level = $level");
		$node->restart;
	}
	note("wal_level $level");
	foreach my $moment ('before pg_dump', 'before the table is read')
	{
		my $db = "sink_${level}_" . ($moment =~ s/ /_/gr);
		my @changes = rewrites($db);
		# first with all that is there, then without
		push @changes, $drop_all, map {
			{ %$_, name => "$_->{name}, after DROP of everything" }
		  } @changes
		  if $moment eq 'before pg_dump' && $level eq 'replica';
		ddl_backup($node, 'sink', $db, $moment, @changes);
	}

	# A catalog gets another file when pg_dump is about to read it.  With wal_level
	# = logical, and from 19 on always, it waits until it can.
	foreach my $catalog (qw(pg_attrdef pg_trigger pg_default_acl))
	{
		my $db = "${catalog}_$level";
		ddl_copy_db($node, $db, 'sink');
		my $stock = stock_dump($node, $db);
		my ($index) = $node->safe_psql($db,
			"SELECT min(indexrelid::regclass::text) FROM pg_index WHERE indrelid = '$catalog'::regclass AND indisprimary"
		);
		my $session = new_session($node, $db);
		session_query($session,
			"BEGIN; LOCK TABLE $catalog IN ACCESS EXCLUSIVE MODE");
		my $id = start_backup($node, $db, destination => $db);
		if ($level eq 'logical' || major($node) >= 19)
		{
			$node->poll_query_until(
				'postgres',
				qq{SELECT count(*) > 0 FROM pg_locks l JOIN backup_workers w USING (pid)
				WHERE backup_id = $id AND NOT l.granted AND l.relation = '$catalog'::regclass}
			) or die "nobody waits for $catalog";
		}
		session_query($session, "CLUSTER $catalog USING $index; COMMIT");
		$session->quit;
		is( wait_backup($node, $id),
			'completed',
			"$catalog rewritten under pg_dump's eyes, wal_level $level: the backup is completed"
		) or diag(history($node, $id, 'error'));
		my $archive = history($node, $id, 'destination');
		same_text(
			archive_text($node, $archive),
			archive_text($node, $stock),
			"$catalog rewritten under pg_dump's eyes, wal_level $level: the backup is as of S"
		) if -e $archive;
	}
}

# Tables like catalogs.  The server does not rewrite those, but for VACUUM FULL,
# CLUSTER and REPACK.
my @kinds = map {
	$_->{ddl} =~
	  /ALTER (TABLE t (ALTER \w+ TYPE|ADD \w+ \w+ (DEFAULT random|GENERATED)|SET (UN)?LOGGED|SET ACCESS)|TYPE)|REPACK \(CONCURRENTLY\)/
	  || $_->{setup} =~ /PARTITION BY/
	  ? $_
	  : {
		%$_,
		setup => "$_->{setup}; ALTER TABLE t SET (user_catalog_table = true);"
	  }
} ddl_kinds();
@kinds = ddl_create_db($node, 'ddl_template', @kinds);
cmp_ok(
	$node->safe_psql(
		'ddl_template',
		q{SELECT count(*) FROM pg_class WHERE 'user_catalog_table=true' = ANY (reloptions)}
	),
	'>', 40,
	'tables like catalogs');
ddl_backup(
	$node, 'ddl_template', 'before_pg_dump',
	'before pg_dump',
	grep { !$_->{waits} } @kinds);
ddl_backup(
	$node, 'ddl_template', 'definitions',
	'while definitions are read',
	grep { $_->{waits} } @kinds);
ddl_backup($node, 'ddl_template', 'plan', 'before the plan', @kinds);
ddl_backup($node, 'ddl_template', 'unread', 'before the table is read',
	@kinds);

no_orphans($node, 'all files of what was dropped are gone');
unlike(
	slurp_file($node->logfile),
	qr/PANIC|TRAP|was terminated by signal|leaked?\b/,
	'nothing crashed or leaked');
$node->stop;
done_testing();
