
# The kinds of DDL that backups have to stand, and a way to do all of them at
# one moment of a backup.
#
# Each kind has a schema with objects of its own, so that one database holds all
# of them, one backup meets all of them, and what is wrong in the archive says
# which of them it was.

package DdlKinds;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use BackupBgwTest;

our @EXPORT = qw(
  $gate
  ddl_kinds ddl_create_db ddl_copy_db ddl_run ddl_check ddl_backup
);

# Rows in the heap and in TOAST
my $table = q{CREATE TABLE t (id int PRIMARY KEY, v text, w text);
	ALTER TABLE t ALTER w SET STORAGE external;
	INSERT INTO t SELECT i, md5(i::text), CASE WHEN i < 3 THEN repeat(md5(i::text), 80) END FROM generate_series(1, 30) i;};

# Bigger than the other tables, hence read first
our $gate =
  q{CREATE TABLE public.gate (id int, t text); ALTER TABLE public.gate ALTER t SET STORAGE plain;
	INSERT INTO public.gate SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 1000) i;};

# Name, objects that are there beside the table "t", and the DDL; then flags:
#
#	alone		cannot be in a transaction block
#	waits		waits for snapshots that are older: not while start_backup() has
#				not returned, as that has one
#	barrier		waits until every process has taken notice that logical decoding is
#				enabled, unless it is: not while one is stopped
#	from		major version that has it first
#	then		a query in the schema, and its result after the DDL
my @kinds = (
	[ 'TRUNCATE', '', 'TRUNCATE t' ],
	[
		'TRUNCATE CASCADE',
		q{CREATE TABLE child (id int REFERENCES t); INSERT INTO child SELECT id FROM t;
		CREATE TABLE grandchild (id int PRIMARY KEY); INSERT INTO grandchild VALUES (1); ALTER TABLE child ADD UNIQUE (id); ALTER TABLE grandchild ADD FOREIGN KEY (id) REFERENCES child (id);},
		'TRUNCATE t CASCADE',
		then => [ 'SELECT count(*) FROM grandchild', '0' ]
	],
	[
		'TRUNCATE RESTART IDENTITY',
		q{CREATE TABLE s (id serial, i int GENERATED ALWAYS AS IDENTITY, v text); INSERT INTO s (v) SELECT 'x' FROM generate_series(1, 42);},
		'TRUNCATE s RESTART IDENTITY',
		then => [ 'SELECT last_value FROM s_id_seq', '1' ]
	],
	[
		'TRUNCATE of a partitioned table',
		q{CREATE TABLE p (id int, v text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (20);
		CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (20) TO (40); INSERT INTO p SELECT id, v FROM t;},
		'TRUNCATE p'
	],
	[
		'TRUNCATE and load',
		'',
		q{TRUNCATE t; INSERT INTO t SELECT i, 'new' FROM generate_series(1, 500) i}
	],
	[
		'TRUNCATE twice',
		'',
		q{TRUNCATE t; INSERT INTO t VALUES (1, 'second'); TRUNCATE t; INSERT INTO t VALUES (1, 'third')}
	],
	[
		'TRUNCATE in a subtransaction',
		'',
		q{DO $$ BEGIN BEGIN TRUNCATE t; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN END; BEGIN TRUNCATE t; EXCEPTION WHEN division_by_zero THEN END; END $$}
	],
	[
		'DROP TABLE',
		q{CREATE TRIGGER tg BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); COMMENT ON COLUMN t.v IS 'v'; GRANT SELECT ON t TO PUBLIC;},
		'DROP TABLE t'
	],
	[
		'DROP TABLE and CREATE TABLE',
		'',
		q{DROP TABLE t; CREATE TABLE t (other int); INSERT INTO t VALUES (1)}
	],
	[
		'DROP TABLE of a partitioned table',
		q{CREATE TABLE p (id int, v text) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p DEFAULT; INSERT INTO p SELECT id, v FROM t;},
		'DROP TABLE p'
	],
	[
		'DROP SCHEMA CASCADE',
		q{CREATE VIEW v AS SELECT * FROM t; CREATE SEQUENCE s START 77; CREATE MATERIALIZED VIEW m AS SELECT * FROM v;
		CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t';},
		sub { "DROP SCHEMA $_[0] CASCADE" }
	],
	[
		'DROP TYPE CASCADE',
		q{CREATE TYPE color AS ENUM ('red', 'green'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN small AS int CHECK (VALUE < 10); CREATE TYPE span AS RANGE (SUBTYPE = float8);
		CREATE TABLE d (id int, c color, cs color[], p pair, s small, r span); INSERT INTO d SELECT 1, 'red', '{red,green}', '(1,x)', 5, '[1,2)';},
		'DROP TYPE color CASCADE; DROP TYPE pair CASCADE; DROP DOMAIN small CASCADE; DROP TYPE span CASCADE',
		then => [
			q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'd'::regclass AND attnum > 0 AND NOT attisdropped},
			'1'
		]
	],
	[
		'DROP FUNCTION CASCADE',
		q{CREATE FUNCTION f() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 7'; CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
		CREATE TABLE d (id int DEFAULT f(), CHECK (id > f() - 10)); CREATE TRIGGER tg BEFORE INSERT ON d FOR EACH ROW EXECUTE FUNCTION tf(); CREATE INDEX ON d ((id + f())); INSERT INTO d DEFAULT VALUES;},
		'DROP FUNCTION f() CASCADE; DROP FUNCTION tf() CASCADE'
	],
	[
		'DROP EXTENSION CASCADE',
		q{CREATE EXTENSION hstore; CREATE TABLE h (id int, h hstore); INSERT INTO h SELECT i, hstore('k', i::text) FROM generate_series(1, 30) i; CREATE INDEX ON h USING gist (h);},
		'DROP EXTENSION hstore CASCADE',
		then => [
			q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'h'::regclass AND attnum > 0 AND NOT attisdropped},
			'1'
		],
		extension => 'hstore'
	],
	# as pg_extension_config_dump() in its script would have it
	[
		'DROP EXTENSION with a filtered configuration table',
		q{CREATE TABLE public.configuration (a int, b text, standard boolean); INSERT INTO public.configuration SELECT i, repeat('b', i), i % 2 = 0 FROM generate_series(1, 30) i;
		ALTER EXTENSION backup_bgw ADD TABLE public.configuration;
		UPDATE pg_extension SET extconfig = ARRAY['public.configuration'::regclass]::oid[], extcondition = ARRAY['WHERE NOT standard ORDER BY a'] WHERE extname = 'backup_bgw';},
		'DROP EXTENSION backup_bgw; CREATE EXTENSION backup_bgw SCHEMA public',
		then =>
		  [ q{SELECT to_regclass('public.configuration') IS NULL}, 't' ],
		alone => 1
	],
	[
		'DROP OWNED BY',
		q{ALTER TABLE t OWNER TO ddl_owner; CREATE SEQUENCE s START 5; ALTER SEQUENCE s OWNER TO ddl_owner; CREATE TABLE granted (a int); GRANT SELECT ON granted TO ddl_owner;},
		'DROP OWNED BY ddl_owner CASCADE',
		then => [ q{SELECT to_regclass('t') IS NULL}, 't' ]
	],
	[
		'DROP SEQUENCE',
		q{CREATE SEQUENCE s START 1000 INCREMENT 5; SELECT nextval('s'), nextval('s'); CREATE TABLE ss (id serial); INSERT INTO ss DEFAULT VALUES;},
		'DROP SEQUENCE s; DROP SEQUENCE ss_id_seq CASCADE'
	],
	[
		'DROP VIEW',
		q{CREATE VIEW v AS SELECT id, upper(v) AS u FROM t; CREATE VIEW vv AS SELECT u FROM v;},
		'DROP VIEW v CASCADE'
	],
	[
		'DROP MATERIALIZED VIEW',
		q{CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t; CREATE UNIQUE INDEX ON m (id);},
		'DROP MATERIALIZED VIEW m'
	],
	[
		'DROP INDEX',
		q{CREATE INDEX i ON t (v DESC) WHERE id > 3; COMMENT ON INDEX i IS 'i';},
		'DROP INDEX i; ALTER TABLE t DROP CONSTRAINT t_pkey'
	],
	[
		'DROP INDEX and VACUUM',
		q{CREATE INDEX i ON t (v);},
		'DROP INDEX i; ALTER TABLE t DROP CONSTRAINT t_pkey; VACUUM t',
		alone => 1,
		then => [
			q{SELECT relhasindex FROM pg_class WHERE oid = 't'::regclass},
			'f'
		]
	],
	[
		'DROP TRIGGER and VACUUM',
		q{CREATE TRIGGER tg BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();},
		'DROP TRIGGER tg ON t; VACUUM t',
		alone => 1,
		then => [
			q{SELECT relhastriggers FROM pg_class WHERE oid = 't'::regclass},
			'f'
		]
	],
	[
		'DROP RULE and VACUUM',
		q{CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING;},
		'DROP RULE r ON t; VACUUM t',
		alone => 1,
		then => [
			q{SELECT relhasrules FROM pg_class WHERE oid = 't'::regclass},
			'f'
		]
	],
	[
		'ALTER TYPE with rewrite',
		q{CREATE INDEX ON t (v);},
		'ALTER TABLE t ALTER id TYPE numeric, ALTER v TYPE bytea USING v::bytea'
	],
	[
		'ALTER TYPE without rewrite',
		q{CREATE TABLE d (c varchar(5)); INSERT INTO d VALUES ('x');},
		'ALTER TABLE d ALTER c TYPE varchar(10)'
	],
	[
		'ADD COLUMN with a volatile default',
		'',
		'ALTER TABLE t ADD r float8 DEFAULT random()'
	],
	[
		'ADD COLUMN with a default',
		'', 'ALTER TABLE t ADD d int DEFAULT 5 NOT NULL'
	],
	[
		'ADD GENERATED COLUMN',
		'', 'ALTER TABLE t ADD g int GENERATED ALWAYS AS (id * 2) STORED'
	],
	[ 'DROP COLUMN', '', 'ALTER TABLE t DROP v, DROP w' ],
	[
		'DROP COLUMN and rewrite',
		'', 'ALTER TABLE t DROP v; ALTER TABLE t ALTER id TYPE bigint'
	],
	[
		'RENAME table',
		'',
		q{ALTER TABLE t RENAME TO renamed; CREATE TABLE t (a text); INSERT INTO t VALUES ('impostor')}
	],
	[
		'RENAME column',
		'', 'ALTER TABLE t RENAME v TO x; ALTER TABLE t RENAME w TO v'
	],
	[
		'RENAME schema',
		'',
		sub {
			"ALTER SCHEMA $_[0] RENAME TO renamed_schema; CREATE SCHEMA $_[0]";
		}
	],
	[ 'SET SCHEMA', '', 'ALTER TABLE t SET SCHEMA elsewhere' ],
	[
		'SET TABLESPACE',
		q{CREATE TABLE there (id int PRIMARY KEY, v text) TABLESPACE ddl_space; INSERT INTO there SELECT id, v FROM t;},
		'ALTER TABLE t SET TABLESPACE ddl_space; ALTER INDEX t_pkey SET TABLESPACE ddl_space; ALTER TABLE there SET TABLESPACE pg_default'
	],
	[
		'DROP TABLE in a tablespace',
		q{CREATE TABLE there (id int PRIMARY KEY, v text) TABLESPACE ddl_space; ALTER TABLE there ALTER v SET STORAGE external; INSERT INTO there SELECT 1, repeat('v', 3000);},
		'DROP TABLE there'
	],
	[ 'SET UNLOGGED', '', 'ALTER TABLE t SET UNLOGGED' ],
	[
		'SET LOGGED',
		q{CREATE UNLOGGED TABLE u (id int PRIMARY KEY, v text); INSERT INTO u SELECT id, v FROM t;},
		'ALTER TABLE u SET LOGGED'
	],
	[
		'TRUNCATE of an unlogged table',
		q{CREATE UNLOGGED TABLE u (id int PRIMARY KEY, v text); INSERT INTO u SELECT id, v FROM t;},
		'TRUNCATE u'
	],
	[ 'SET ACCESS METHOD', '', 'ALTER TABLE t SET ACCESS METHOD ddl_heap' ],
	[
		'ATTACH PARTITION',
		q{CREATE TABLE p (LIKE t) PARTITION BY RANGE (id); CREATE INDEX ON p (v);},
		'ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (0) TO (100)'
	],
	[
		'DETACH PARTITION',
		q{CREATE TABLE p (LIKE t) PARTITION BY RANGE (id); CREATE INDEX ON p (v); ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (0) TO (100);},
		'ALTER TABLE p DETACH PARTITION t'
	],
	[
		'DETACH PARTITION CONCURRENTLY',
		q{CREATE TABLE p (LIKE t) PARTITION BY RANGE (id); ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (0) TO (100);},
		'ALTER TABLE p DETACH PARTITION t CONCURRENTLY',
		alone => 1,
		waits => 1
	],
	[
		'INHERIT and NO INHERIT',
		q{CREATE TABLE parent (id int, v text); CREATE TABLE c1 (x int) INHERITS (parent); CREATE TABLE c2 (id int, v text); INSERT INTO c1 VALUES (1, 'a', 2);},
		'ALTER TABLE c1 NO INHERIT parent; ALTER TABLE c2 INHERIT parent'
	],
	[
		'ALTER SEQUENCE RESTART',
		q{CREATE SEQUENCE s START 42; SELECT nextval('s'), nextval('s');},
		'ALTER SEQUENCE s RESTART 900',
		then => [ 'SELECT last_value FROM s', '900' ]
	],
	[
		'ALTER SEQUENCE AS',
		q{CREATE SEQUENCE s START 42; SELECT nextval('s');},
		'ALTER SEQUENCE s AS smallint INCREMENT 3 MAXVALUE 1000 RESTART 7'
	],
	[
		'ALTER IDENTITY',
		q{CREATE TABLE i (id int GENERATED BY DEFAULT AS IDENTITY (START 50)); INSERT INTO i DEFAULT VALUES;},
		'ALTER TABLE i ALTER id RESTART WITH 2; ALTER TABLE i ALTER id DROP IDENTITY'
	],
	[
		'SET UNLOGGED of a sequence',
		q{CREATE TABLE s (id serial); INSERT INTO s DEFAULT VALUES;},
		'ALTER TABLE s SET UNLOGGED'
	],
	[
		'ALTER ENUM ADD VALUE',
		q{CREATE TYPE color AS ENUM ('red', 'green'); CREATE TABLE e (c color); INSERT INTO e VALUES ('green');},
		q{ALTER TYPE color ADD VALUE 'blue' BEFORE 'red'}
	],
	[
		'ALTER ENUM RENAME VALUE',
		q{CREATE TYPE color AS ENUM ('red', 'green'); CREATE TABLE e (c color); INSERT INTO e VALUES ('green');},
		q{ALTER TYPE color RENAME VALUE 'green' TO 'viridian'}
	],
	[
		'ALTER TYPE ATTRIBUTE',
		q{CREATE TYPE pair AS (a int, b text); CREATE TABLE e OF pair; INSERT INTO e VALUES (1, 'b'); CREATE TYPE other AS (a int, b text); CREATE TABLE o (x int); },
		'ALTER TYPE pair ADD ATTRIBUTE c int CASCADE; ALTER TYPE pair DROP ATTRIBUTE b CASCADE; ALTER TYPE other ALTER ATTRIBUTE a TYPE text'
	],
	[
		'REFRESH MATERIALIZED VIEW',
		q{CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t; CREATE MATERIALIZED VIEW n AS SELECT 1 AS a WITH NO DATA;},
		'REFRESH MATERIALIZED VIEW m; REFRESH MATERIALIZED VIEW n; REFRESH MATERIALIZED VIEW m WITH NO DATA'
	],
	[
		'REFRESH MATERIALIZED VIEW CONCURRENTLY',
		q{CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t; CREATE UNIQUE INDEX ON m (id);},
		'DELETE FROM t WHERE id > 9; REFRESH MATERIALIZED VIEW CONCURRENTLY m'
	],
	[ 'VACUUM FULL', '', 'VACUUM FULL t', alone => 1 ],
	[
		'VACUUM FULL twice',
		'', 'DELETE FROM t WHERE id < 20; VACUUM FULL t; VACUUM FULL t',
		alone => 1
	],
	[
		'VACUUM FULL of TOAST',
		'',
		q{SELECT format('VACUUM FULL %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 't'::regclass \gexec},
		alone => 1
	],
	[ 'CLUSTER', '', 'CLUSTER t USING t_pkey' ],
	[ 'REPACK', '', 'DELETE FROM t WHERE id < 20; REPACK t', from => 19 ],
	[
		'REPACK twice', '', 'REPACK t USING INDEX t_pkey; REPACK t',
		from => 19
	],
	[
		'REPACK (CONCURRENTLY)',
		'',
		'DELETE FROM t WHERE id < 20; REPACK (CONCURRENTLY) t',
		alone => 1,
		barrier => 1,
		from => 19
	],
	[
		'REPACK (CONCURRENTLY) twice',
		'',
		'REPACK (CONCURRENTLY) t; REPACK (CONCURRENTLY) t USING INDEX t_pkey',
		alone => 1,
		barrier => 1,
		from => 19
	],
	[ 'REINDEX TABLE', '', 'REINDEX TABLE t' ],
	[ 'REINDEX INDEX', '', 'REINDEX INDEX t_pkey' ],
	[
		'REINDEX of TOAST',
		'',
		q{SELECT format('REINDEX TABLE %s', reltoastrelid::regclass) FROM pg_class WHERE oid = 't'::regclass \gexec}
	],
	[ 'REINDEX SCHEMA', '', sub { "REINDEX SCHEMA $_[0]" }, alone => 1 ],
	[
		'REINDEX TABLE CONCURRENTLY', '', 'REINDEX TABLE CONCURRENTLY t',
		alone => 1,
		waits => 1
	],
	[
		'CREATE INDEX CONCURRENTLY', '',
		'CREATE INDEX CONCURRENTLY i ON t (v)',
		alone => 1,
		waits => 1
	],
	[
		'DROP INDEX CONCURRENTLY',
		q{CREATE INDEX i ON t (v);},
		'DROP INDEX CONCURRENTLY i',
		alone => 1
	],
	[
		'DELETE of everything and VACUUM',
		'', 'DELETE FROM t; VACUUM (TRUNCATE) t',
		alone => 1
	],
	# rows that died before S, and so can go
	[
		'VACUUM that truncates',
		q{CREATE TABLE tail (id int, v text) WITH (autovacuum_enabled = off); INSERT INTO tail SELECT i, repeat('v', 1000) FROM generate_series(1, 80) i; DELETE FROM tail WHERE id > 5;},
		'VACUUM (TRUNCATE) tail',
		alone => 1,
		then => [ q{SELECT pg_relation_size('tail')}, '8192' ]
	],
	[
		'constraints',
		q{CREATE TABLE c (id int CONSTRAINT positive CHECK (id > 0) NOT NULL UNIQUE, EXCLUDE USING btree (id WITH =)); INSERT INTO c VALUES (1); CREATE TABLE f (id int CONSTRAINT fk REFERENCES t);},
		'ALTER TABLE c DROP CONSTRAINT positive, ALTER id DROP NOT NULL, DROP CONSTRAINT c_id_key; ALTER TABLE f DROP CONSTRAINT fk; ALTER TABLE t ADD CHECK (id < 1000)'
	],
	[
		'properties of tables',
		q{CREATE POLICY pol ON t USING (id > 1); CREATE STATISTICS st ON id, v FROM t;},
		q{ALTER TABLE t ENABLE ROW LEVEL SECURITY, ALTER v SET STATISTICS 50, ALTER w SET STORAGE main, SET (fillfactor = 50), REPLICA IDENTITY FULL, ALTER v SET DEFAULT 'd';
		DROP POLICY pol ON t; DROP STATISTICS st; GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'later'; ALTER TABLE t OWNER TO ddl_owner}
	],
	[
		'REASSIGN OWNED',
		q{CREATE TABLE r (a int); ALTER TABLE r OWNER TO ddl_other;},
		'REASSIGN OWNED BY ddl_other TO ddl_owner'
	],
	[
		'replaced views and functions',
		q{CREATE VIEW v AS SELECT id FROM t; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION b() RETURNS int BEGIN ATOMIC SELECT 1; END;},
		q{CREATE OR REPLACE VIEW v AS SELECT id, v FROM t; CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'; DROP FUNCTION b(); ALTER VIEW v RENAME TO w}
	],
	[
		'DROP of other objects',
		q{CREATE FUNCTION sf(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2'; CREATE AGGREGATE ag (int) (SFUNC = sf, STYPE = int); CREATE OPERATOR @+@ (LEFTARG = int, RIGHTARG = int, FUNCTION = sf);
		CREATE COLLATION co (LOCALE = 'C'); CREATE TABLE coll (c text COLLATE co); INSERT INTO coll VALUES ('x'); CREATE TEXT SEARCH CONFIGURATION ts (COPY = pg_catalog.simple);
		CREATE FOREIGN DATA WRAPPER ddl_fdw; CREATE SERVER ddl_server FOREIGN DATA WRAPPER ddl_fdw; CREATE FOREIGN TABLE ft (a int) SERVER ddl_server; CREATE PUBLICATION ddl_pub FOR TABLE t;
		CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER ddl_et ON table_rewrite EXECUTE FUNCTION et();
		CREATE FUNCTION pr() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'; CREATE CAST (t AS text) WITH INOUT; CREATE CONVERSION conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE TRANSFORM FOR point LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));},
		q{DROP AGGREGATE ag(int); DROP OPERATOR @+@ (int, int); DROP COLLATION co CASCADE; DROP TEXT SEARCH CONFIGURATION ts; DROP FOREIGN DATA WRAPPER ddl_fdw CASCADE; DROP PUBLICATION ddl_pub;
		DROP EVENT TRIGGER ddl_et; DROP CAST (t AS text); DROP CONVERSION conv; DROP TRANSFORM FOR point LANGUAGE sql}
	],
	[
		'CREATE of everything', '',
		q{CREATE TABLE n (id serial PRIMARY KEY, v text); INSERT INTO n (v) VALUES ('new'); CREATE VIEW nv AS SELECT * FROM n; CREATE FUNCTION nf() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE nt AS (a int);
		CREATE INDEX ON t (v); CREATE TRIGGER tg BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); CREATE RULE r AS ON INSERT TO n DO ALSO NOTHING}
	],
	[
		'rows',
		'',
		q{INSERT INTO t VALUES (100, 'new'); UPDATE t SET v = 'updated', w = repeat('x', 5000); DELETE FROM t WHERE id < 10}
	],
	[
		'large objects',
		q{SELECT lo_from_bytea(900000 + i, decode(repeat(md5(i::text), 200), 'hex')) FROM generate_series(1, 5) i; COMMENT ON LARGE OBJECT 900001 IS 'large'; GRANT SELECT ON LARGE OBJECT 900002 TO PUBLIC;},
		q{SELECT lo_unlink(900001), lo_unlink(900002), lo_put(900003, 10, 'changed'), lo_from_bytea(900010, 'new')}
	]);

# All kinds, or those of a list like the one above, as hashes.
sub ddl_kinds
{
	my ($version) = `pg_config --version` =~ /(\d+)/;
	my @list = @_ ? @_ : @kinds;
	return grep { !$_->{from} || $version >= $_->{from} } map {
		my ($name, $setup, $ddl, %flags) = @$_;
		my $schema = 'k_' . (lc($name) =~ s/\W+/_/gr);
		{
			name => $name,
			schema => $schema,
			setup => "$table\n$setup",
			ddl => ref $ddl ? $ddl->($schema) : $ddl,
			%flags
		}
	} @list;
}

# Roles and the tablespace that the kinds need, and a database with the objects
# of all of them.  Returns the kinds; those whose extension is not there are not
# among them.
sub ddl_create_db
{
	my ($node, $db, @kinds) = @_;
	my $space = $node->basedir . '/ddl_space';
	if (!-e $space)
	{
		mkdir $space or die "could not create \"$space\": $!";
		$node->safe_psql('postgres',
			'CREATE ROLE ddl_owner; CREATE ROLE ddl_other');
		$node->safe_psql('postgres',
			"CREATE TABLESPACE ddl_space LOCATION '$space'");
	}
	my %available = map { $_ => 1 } split /\n/,
	  $node->safe_psql('postgres',
		'SELECT name FROM pg_available_extensions');
	my @there;
	foreach my $kind (@kinds)
	{
		if ($kind->{extension} && !$available{ $kind->{extension} })
		{
			note(
				"not tested, as there is no extension $kind->{extension}: $kind->{name}"
			);
			next;
		}
		push @there, $kind;
	}
	create_db(
		$node, $db,
		sql => join(
			"\n",
			'CREATE ACCESS METHOD ddl_heap TYPE TABLE HANDLER heap_tableam_handler; CREATE SCHEMA elsewhere;',
			$gate,
			map {
				"CREATE SCHEMA $_->{schema}; SET search_path = $_->{schema}, public;\n$_->{setup}"
			} @there));
	return @there;
}

# A copy of a database to which nobody is connected.
sub ddl_copy_db
{
	my ($node, $db, $template) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE $template");
	return;
}

# Does the DDL in a session, kind after kind.  Each must succeed, and the backup
# must be running when it has.
sub ddl_run
{
	my ($session, $id, $when, @kinds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	session_query($session,
		q{SET statement_timeout = '60s'; SET client_min_messages = warning});
	foreach my $kind (@kinds)
	{
		$session->{stderr} = '';
		my $out = $session->query(
			join("\n;\n",
				"SET search_path = $kind->{schema}, public",
				$kind->{ddl},
				q{SELECT 'backups: ' || count(*) FROM public.backup_progress WHERE backup_id = }
				  . $id));
		my $err = $session->{stderr};
		my $ok = $err !~ /ERROR|FATAL/ && $out =~ /^backups: 1$/m;
		ok($ok, "$kind->{name}, $when: ended while the backup ran")
		  or diag("output: $out\nerror: $err");
		# others would have to wait as long
		last if $err =~ /statement timeout/;
		is( scalar $session->query($kind->{then}[0]),
			$kind->{then}[1],
			"$kind->{name}, $when: had its effect") if $kind->{then};
	}
	return;
}

# Parts of a dump as text, by schema.
sub by_schema
{
	my ($text) = @_;
	my %parts;
	foreach my $entry (split /^(?=--\n-- (?:Data for )?Name: )/m, $text)
	{
		my ($schema) = $entry =~
		  /^-- (?:Data for )?Name: .*?; Type: .*?; Schema: (.*?); Owner:/m;
		$schema = '-' unless defined $schema;
		$schema = $1
		  if $entry =~
		  /^-- Name: (?:SCHEMA )?(\S+); Type: (?:SCHEMA|COMMENT|ACL); Schema: -;/m;
		$parts{$schema} .= $entry;
	}
	return \%parts;
}

# The archive must have, of each kind, what the directory made by stock pg_dump
# before the backup has; and be the same altogether.
sub ddl_check
{
	my ($node, $archive, $stock, $when, @kinds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $got = archive_text($node, $archive);
	my $expected = archive_text($node, $stock);
	my ($got_parts, $expected_parts) =
	  (by_schema($got), by_schema($expected));
	foreach my $kind (grep { $_->{setup} } @kinds)
	{
		my $part = $expected_parts->{ $kind->{schema} };
		die "nothing of $kind->{name} was to be dumped"
		  unless $part && $part =~ /^COPY /m;
		same_text($got_parts->{ $kind->{schema} } || '',
			$part, "$kind->{name}, $when: the backup is as of S");
	}
	archives_equal($node, $archive, $stock, $when);
	return;
}

# How a backup comes to, and is kept at, a moment; returns its id, and what lets
# it go on.
my %moments = (
	# pg_dump has not read the first definition
	'before pg_dump' => sub {
		my ($node, $db) = @_;
		hold_pg_dump($node, 1);
		my ($id, $caller) =
		  start_in_background($node, $db, { destination => $db });
		wait_held($node);
		return ($id, sub { release_pg_dump($node); $caller->quit });
	},

	# The same, but start_backup() has returned, and pg_dump is as of S and has read
	# what there is, but not yet all that it is like.  Shared catalogs it waits for.
	'while definitions are read' => sub {
		my ($node, $db) = @_;
		my $blocker = new_session($node, $db);
		session_query($blocker,
			'BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE');
		local $ENV{PGOPTIONS} = '-c backup_bgw.overlap=off';
		my $id = start_backup($node, $db, destination => $db);
		$node->poll_query_until(
			'postgres',
			qq{SELECT count(*) = 1 FROM pg_locks l JOIN backup_workers w USING (pid)
			WHERE backup_id = $id AND role = 'pg_dump' AND NOT granted AND l.relation = 'pg_subscription'::regclass}
		) or die 'pg_dump does not wait for pg_subscription';
		return ($id,
			sub { session_query($blocker, 'COMMIT'); $blocker->quit });
	},

	# pg_dump has ended; nobody has looked at files yet
	'before the plan' => sub {
		my ($node, $db) = @_;
		hold_pg_dump($node);
		my $id = start_backup($node, $db, destination => $db);
		wait_held($node);
		return ($id, sub { release_pg_dump($node) });
	},

	# one worker reads another table
	'before the table is read' => sub {
		my ($id, $pid) = hold_at_gate(@_, 1);
		return ($id, sub { release_worker($pid) });
	},
	'after the table was read' => sub {
		my ($node, $db) = @_;
		my ($id, $pid) = hold_at_gate($node, $db, 2);
		$node->poll_query_until('postgres',
			"SELECT tables_done = tables_total - 1 FROM backup_progress WHERE backup_id = $id"
		) or die 'the other tables are not read';
		return ($id, sub { release_worker($pid) });
	});

# On a machine too slow to see it being read, it is read more slowly.
sub hold_at_gate
{
	my ($node, $db, $jobs) = @_;
	my $destination = $db;
	foreach my $rate ('4MB', '1MB', '100kB')
	{
		my $id = start_backup(
			$node, $db,
			destination => $destination,
			jobs => $jobs,
			max_rate => $rate);
		my $pid = hold_worker($node, $id, 'public.gate');
		if ($pid)
		{
			$node->poll_query_until('postgres',
				"SELECT phase = 'copying' FROM backup_progress WHERE backup_id = $id"
			) or die 'pg_dump does not end';
			return ($id, $pid);
		}
		note("public.gate was not seen being read at $rate/s");
		$destination .= '_again';
	}
	die 'public.gate is never being read';
}

# Makes a backup of a copy of the template, with all the DDL at that moment, and
# checks it.  Returns its id, and the directory of stock pg_dump.
sub ddl_backup
{
	my ($node, $template, $db, $moment, @kinds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ddl_copy_db($node, $db, $template);
	my $stock = stock_dump($node, $db);
	my $session = new_session($node, $db);
	my ($id, $go_on) = $moments{$moment}->($node, $db);
	my $state = 'phase, tables_done, tables_total';
	my $before = progress($node, $id, $state);
	ddl_run($session, $id, $moment, @kinds);
	is(progress($node, $id, $state),
		$before, "$moment: the backup was there all the time");
	$session->quit;
	$go_on->();

	if (is( wait_backup($node, $id),
			'completed',
			"$moment: the backup is completed"))
	{
		ddl_check($node, history($node, $id, 'destination'),
			$stock, $moment, @kinds);
	}
	else
	{
		diag(history($node, $id, 'error'));
	}
	return ($id, $stock);
}

1;
