-- The SQL surface. Functions go into the extension's schema, internals into schema iasql.
-- Every C function names a symbol of the library: CREATE FUNCTION fails when the two are not in step.
\echo Use "CREATE EXTENSION iasql" to load this file. \quit

-- ---------------------------------------------------------------- what the database remembers

CREATE SCHEMA iasql;
COMMENT ON SCHEMA iasql IS 'What iasql remembers. Nothing here is for editing by hand.';

CREATE TABLE iasql.module (
  name text PRIMARY KEY,
  version text NOT NULL,
  installed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  installed_by name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE iasql.module IS 'The modules installed in this database.';

CREATE TABLE iasql.account (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  account_id text NOT NULL CHECK (account_id OPERATOR(pg_catalog.~) '^[0-9]{12}$'),
  noted_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE iasql.account IS 'The AWS account that this database describes: no other is ever read or changed.';

CREATE TABLE iasql.base (
  table_name text NOT NULL,
  row_key text NOT NULL,
  region text NOT NULL,
  cloud_id text NOT NULL,
  data jsonb NOT NULL,
  row_print bigint,
  seen_print bytea,
  PRIMARY KEY (table_name, row_key)
);
COMMENT ON TABLE iasql.base IS 'Each row as it was when database and cloud last agreed.';
COMMENT ON COLUMN iasql.base.row_print IS 'A hash of data as the row has it.';
COMMENT ON COLUMN iasql.base.seen_print IS 'A hash of what AWS told of the resource, if data says all of it.';

CREATE TABLE iasql.journal (
  id bigserial PRIMARY KEY,
  call text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended_at timestamptz,
  caller_pid int NOT NULL,
  session_user_name text NOT NULL,
  role_name text NOT NULL,
  application_name text NOT NULL,
  system_id text NOT NULL,
  caller_xid text,
  fate text CHECK (fate IN ('committed', 'aborted')),
  action text NOT NULL,
  table_name text NOT NULL,
  region text NOT NULL,
  row_key text,
  label text NOT NULL,
  cloud_id text,
  mark text,
  reason text NOT NULL,
  before jsonb,
  after jsonb,
  outcome text CHECK (outcome IN ('done', 'failed', 'unknown')),
  error text,
  retries int,
  retry_reason text,
  waited_seconds float8
);
CREATE INDEX ON iasql.journal (table_name, cloud_id);
CREATE INDEX ON iasql.journal (id) WHERE fate IS NULL OR fate = 'aborted';
CREATE INDEX ON iasql.journal (id) WHERE outcome IS NULL;
CREATE INDEX ON iasql.journal (ended_at);
COMMENT ON TABLE iasql.journal IS 'Every change of the cloud: announced before its call, completed after it, in transactions of the worker''s own.';

CREATE TABLE iasql.unrepresented (
  table_name text NOT NULL,
  region text NOT NULL,
  cloud_id text,
  reason text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE iasql.unrepresented IS 'What the last read met and no row stands for, and what it could not read.';

-- The one row is locked by whoever applies or syncs, to the end of the transaction. Its count makes
-- a caller under REPEATABLE READ or SERIALIZABLE fail before any call when another was faster.
CREATE TABLE iasql.turn (taken bigint NOT NULL);
INSERT INTO iasql.turn VALUES (0);
COMMENT ON TABLE iasql.turn IS 'Whose turn it is to apply or sync.';

CREATE TABLE aws_regions (
  region text PRIMARY KEY,
  is_default boolean NOT NULL DEFAULT false,
  is_enabled boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE aws_regions IS 'The regions of the account. Enabled ones are read; the default one is where rows go that name none.';
COMMENT ON COLUMN aws_regions.region IS 'Its name, us-east-1.';
COMMENT ON COLUMN aws_regions.is_default IS 'Whether rows that name no region go here; one region at most.';
COMMENT ON COLUMN aws_regions.is_enabled IS 'Whether this database has the region''s resources as rows.';

SELECT pg_catalog.pg_extension_config_dump('iasql.module', '');
SELECT pg_catalog.pg_extension_config_dump('iasql.account', '');
SELECT pg_catalog.pg_extension_config_dump('iasql.base', '');
SELECT pg_catalog.pg_extension_config_dump('iasql.journal', '');
SELECT pg_catalog.pg_extension_config_dump('iasql.journal_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('iasql.unrepresented', '');
SELECT pg_catalog.pg_extension_config_dump('aws_regions', '');

-- ---------------------------------------------------------------- what guards users' edits

CREATE FUNCTION iasql.by_engine() RETURNS boolean
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'by_engine_wrapper';
COMMENT ON FUNCTION iasql.by_engine() IS 'Whether a row is being written by iasql itself.';

CREATE FUNCTION default_aws_region() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found text := (SELECT region FROM @extschema@.aws_regions WHERE is_default);
BEGIN
  IF found IS NULL THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = 'no default region is set yet: install a module, or run SELECT default_aws_region(''us-east-1'')',
      HINT = 'SELECT * FROM iasql_install(''aws_vpc''), say, takes the region that the server''s AWS configuration names.';
  END IF;
  RETURN found;
END $$;
COMMENT ON FUNCTION default_aws_region() IS 'The region of rows that name none.';

CREATE FUNCTION iasql.known_region(named text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  enabled boolean;
BEGIN
  IF named IS NULL THEN
    RETURN @extschema@.default_aws_region();
  END IF;
  SELECT is_enabled INTO enabled FROM @extschema@.aws_regions WHERE region = named;
  IF enabled IS NULL THEN
    -- No foreign_key_violation: of that, some clients show words of their own in place of these.
    RAISE invalid_parameter_value USING
      MESSAGE = format('region "%s" does not exist in this account', named),
      HINT = 'SELECT region FROM aws_regions lists those that do.';
  ELSIF NOT enabled THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = format('region "%s" is not enabled in this database: UPDATE aws_regions SET is_enabled = true WHERE region = %L', named, named),
      HINT = 'Then SELECT * FROM iasql_sync() brings in what is there.';
  END IF;
  RETURN named;
END $$;
COMMENT ON FUNCTION iasql.known_region(text) IS 'The region itself if rows may be there; the default region for NULL.';

CREATE FUNCTION iasql.cloud_owned(table_name text, column_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE generated_always USING
    MESSAGE = format('column "%s" of table "%s" is filled by AWS and can''t be written', column_name, table_name),
    HINT = format('Leave "%s" out, or give it NULL.', column_name),
    TABLE = table_name, COLUMN = column_name;
END $$;
COMMENT ON FUNCTION iasql.cloud_owned(text, text) IS 'Refuses to write what AWS owns.';

CREATE FUNCTION iasql.imported_only(table_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE feature_not_supported USING
    MESSAGE = format('rows of "%s" come from AWS: they can be read and deleted, not written', table_name),
    HINT = 'SELECT * FROM iasql_sync() brings new ones in.', TABLE = table_name;
END $$;
COMMENT ON FUNCTION iasql.imported_only(text) IS 'Refuses to write rows that only the cloud can make.';

CREATE FUNCTION iasql.unwrapped(document jsonb, column_name text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (document #>> '{}')::jsonb;
EXCEPTION WHEN invalid_text_representation THEN
  RAISE invalid_text_representation USING
    MESSAGE = format('column "%s" holds a text that is no JSON document', column_name),
    HINT = 'Write the document itself, or a text that holds one.', COLUMN = column_name;
END $$;
COMMENT ON FUNCTION iasql.unwrapped(jsonb, text) IS 'The JSON document in a JSON string, as some clients send it.';

CREATE FUNCTION iasql.is_address_range(range text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM range::cidr;
  RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
  BEGIN
    PERFORM range::inet;
  EXCEPTION WHEN invalid_text_representation THEN
    RAISE invalid_text_representation USING
      MESSAGE = format('"%s" is not an address range like 10.0.0.0/16', range),
      HINT = 'Write it like 10.0.0.0/16 or 2001:db8::/32.';
  END;
  RAISE invalid_text_representation USING
    MESSAGE = format('address range "%s" has bits set to the right of its mask: write "%s"', range, network(range::inet)),
    HINT = format('The range that contains it is "%s".', network(range::inet));
END $$;
COMMENT ON FUNCTION iasql.is_address_range(text) IS 'Whether a text is what type cidr accepts.';

-- Text, not cidr: there are clients that can read and write a column of type cidr in no way at all.
-- The function takes a subtransaction to tell what is no range; what reads like most do goes without.
CREATE DOMAIN address_range AS text CHECK (
  CASE WHEN VALUE ~ '^((25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3})/([12]?\d|3[0-2])$'
       THEN VALUE::inet = network(VALUE::inet) END IS TRUE
  OR iasql.is_address_range(VALUE));
COMMENT ON DOMAIN address_range IS 'A range of addresses, 10.0.0.0/16; casts to cidr for its operators.';

CREATE FUNCTION iasql.leave_region(region text) RETURNS boolean
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'leave_region_wrapper';
COMMENT ON FUNCTION iasql.leave_region(text) IS 'Takes a region''s rows out of the database; the cloud stays as it is.';

CREATE FUNCTION iasql.regions_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- INSERT is the owner's alone: a dump that is restored comes that way.
  IF TG_OP = 'INSERT' THEN
    IF NEW.region !~ '^[a-z]{2}(-[a-z]+)+-[0-9]+$' THEN
      RAISE invalid_parameter_value USING MESSAGE = format('"%s" is no name of a region', NEW.region);
    END IF;
    IF NEW.is_default AND EXISTS (SELECT FROM @extschema@.aws_regions WHERE is_default) THEN
      RAISE unique_violation USING
        MESSAGE = format('another region than "%s" is the default one already', NEW.region),
        HINT = format('SELECT default_aws_region(%L); makes it the default instead.', NEW.region);
    END IF;
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' OR NEW.region <> OLD.region THEN
    RAISE feature_not_supported USING
      MESSAGE = 'regions are AWS''s: they can be enabled and disabled, not removed or renamed',
      HINT = 'UPDATE aws_regions SET is_enabled = true WHERE region = ...;';
  END IF;
  IF NEW.is_default AND NOT OLD.is_default THEN
    NEW.is_enabled := true;
    UPDATE @extschema@.aws_regions SET is_default = false WHERE is_default AND region <> NEW.region;
  END IF;
  IF OLD.is_enabled AND NOT NEW.is_enabled THEN
    IF NEW.is_default THEN
      RAISE object_not_in_prerequisite_state USING
        MESSAGE = format('region "%s" is the default one and can''t be disabled', NEW.region),
        HINT = 'Make another region the default first: SELECT default_aws_region(''eu-west-1'');';
    END IF;
    PERFORM iasql.leave_region(NEW.region);
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION iasql.regions_guard() IS 'Keeps one default region, and takes the rows of a disabled region out of the database.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON aws_regions
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.regions_guard();

-- ---------------------------------------------------------------- what users call

CREATE FUNCTION iasql_install(VARIADIC modules text[])
RETURNS TABLE (module_name text, created_table_name text, record_count int)
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_install_wrapper';
COMMENT ON FUNCTION iasql_install(text[]) IS 'Creates the tables of modules, and of those they depend on, and imports what the account holds.';

CREATE FUNCTION iasql_uninstall(VARIADIC modules text[])
RETURNS TABLE (module_name text, dropped_table_name text, record_count int)
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_uninstall_wrapper';
COMMENT ON FUNCTION iasql_uninstall(text[]) IS 'Drops the tables of modules. The cloud stays as it is.';

CREATE FUNCTION iasql_plan_apply() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_plan_apply_wrapper';
COMMENT ON FUNCTION iasql_plan_apply() IS 'Shows what iasql_apply() would change in the cloud. Changes nothing.';

CREATE FUNCTION iasql_apply() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_apply_wrapper';
COMMENT ON FUNCTION iasql_apply() IS 'Makes the cloud match the rows. Deletes only what a user deleted.';

CREATE FUNCTION iasql_plan_sync() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_plan_sync_wrapper';
COMMENT ON FUNCTION iasql_plan_sync() IS 'Shows what iasql_sync() would change in the tables. Changes nothing.';

CREATE FUNCTION iasql_sync() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_sync_wrapper';
COMMENT ON FUNCTION iasql_sync() IS 'Makes the rows match the cloud. Edits that were not applied are discarded, and listed.';

CREATE FUNCTION iasql_preview_apply() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS 'SELECT * FROM @extschema@.iasql_plan_apply()';
COMMENT ON FUNCTION iasql_preview_apply() IS 'The same as iasql_plan_apply().';

CREATE FUNCTION iasql_preview_sync() RETURNS TABLE (action text, table_name text, id int, description text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS 'SELECT * FROM @extschema@.iasql_plan_sync()';
COMMENT ON FUNCTION iasql_preview_sync() IS 'The same as iasql_plan_sync().';

CREATE FUNCTION iasql_plan()
RETURNS TABLE (step int, action text, table_name text, region text, name text, cloud_id text,
               columns text[], before jsonb, after jsonb, reason text, waits_for int[])
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_plan_wrapper';
COMMENT ON FUNCTION iasql_plan() IS 'The plan of iasql_apply() in full: each step, why it is taken, and which steps it waits for.';

CREATE FUNCTION iasql_drift()
RETURNS TABLE (change text, table_name text, region text, id int, name text, cloud_id text,
               columns text[], agreed jsonb, seen jsonb)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_drift_wrapper';
COMMENT ON FUNCTION iasql_drift() IS 'What changed in the cloud outside this database: changed, deleted, or unmanaged resources.';

CREATE FUNCTION delete_all_records() RETURNS void
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'delete_all_records_wrapper';
COMMENT ON FUNCTION delete_all_records() IS 'Empties every module table. iasql_apply() then deletes in the cloud; iasql_sync() undoes it instead.';

CREATE FUNCTION iasql_modules_list() RETURNS TABLE (module_name text, module_version text, dependencies text[])
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'iasql_modules_list_wrapper';
COMMENT ON FUNCTION iasql_modules_list() IS 'The modules that can be installed.';

CREATE VIEW iasql.modules_installed AS
  SELECT l.module_name, m.version AS module_version, l.dependencies
  FROM iasql.module m JOIN iasql_modules_list() l ON l.module_name = m.name
  ORDER BY 1;
COMMENT ON VIEW iasql.modules_installed IS 'The modules installed in this database.';
CREATE FUNCTION iasql_modules_installed() RETURNS TABLE (module_name text, module_version text, dependencies text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT * FROM iasql.modules_installed';
COMMENT ON FUNCTION iasql_modules_installed() IS 'The modules installed in this database.';

CREATE FUNCTION iasql_version() RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'iasql_version_wrapper';
COMMENT ON FUNCTION iasql_version() IS 'The version of iasql.';

CREATE FUNCTION iasql_whoami()
RETURNS TABLE (account text, arn text, region text, credential_source text, endpoint text)
LANGUAGE c VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'iasql_whoami_wrapper';
COMMENT ON FUNCTION iasql_whoami() IS 'Whose AWS credentials the server uses, where it found them, and where requests go.';

CREATE FUNCTION default_aws_region(region text) RETURNS text
LANGUAGE c VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, @extschema@, pg_temp SET row_security = off SET timezone = 'UTC'
AS 'MODULE_PATHNAME', 'set_default_aws_region_wrapper';
COMMENT ON FUNCTION default_aws_region(text) IS 'Sets the region of rows that name none, and enables it.';

-- Long queries are views, so that \df+ has a line for each function.
CREATE VIEW iasql.help AS
  SELECT p.proname::text AS name,
         format('%s(%s) -> %s', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)) AS signature,
         obj_description(p.oid, 'pg_proc') AS description,
         CASE
           WHEN p.provariadic <> 0 THEN format('SELECT * FROM %s(''aws_ecr'', ''aws_vpc'');', p.proname)
           WHEN p.proretset THEN format('SELECT * FROM %s();', p.proname)
           WHEN p.pronargs = 1 THEN format('SELECT %s(''us-east-1'');', p.proname)
           ELSE format('SELECT %s();', p.proname)
         END AS sample_usage
  FROM pg_proc p
  JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
  WHERE e.extname = 'iasql' AND p.pronamespace = e.extnamespace
  ORDER BY 1, 2;
COMMENT ON VIEW iasql.help IS 'The functions of iasql, each with a sample.';
CREATE FUNCTION iasql_help() RETURNS TABLE (name text, signature text, description text, sample_usage text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT * FROM iasql.help';
COMMENT ON FUNCTION iasql_help() IS 'The functions of iasql, each with a sample.';

-- ---------------------------------------------------------------- what users look at

CREATE VIEW iasql_history AS
SELECT id, started_at, ended_at, call, session_user_name, role_name, application_name, caller_pid,
       action, table_name, NULLIF(region, '') AS region, row_key, label AS name, cloud_id, reason,
       before, after, outcome, error,
       CASE fate WHEN 'committed' THEN true WHEN 'aborted' THEN false END AS caller_committed,
       retries, retry_reason, waited_seconds
FROM iasql.journal;
COMMENT ON VIEW iasql_history IS 'Who changed what in the cloud, when, and what sync discarded.';
COMMENT ON COLUMN iasql_history.id IS 'Counts up in the order in which changes were begun.';
COMMENT ON COLUMN iasql_history.started_at IS 'When it was about to be sent.';
COMMENT ON COLUMN iasql_history.ended_at IS 'When its outcome was known.';
COMMENT ON COLUMN iasql_history.call IS 'The call that made it, apply or sync.';
COMMENT ON COLUMN iasql_history.session_user_name IS 'Who had logged in.';
COMMENT ON COLUMN iasql_history.role_name IS 'The role that the session was acting as.';
COMMENT ON COLUMN iasql_history.application_name IS 'What the session called itself.';
COMMENT ON COLUMN iasql_history.caller_pid IS 'The process of the session.';
COMMENT ON COLUMN iasql_history.action IS 'create, update or delete, in the cloud; discard, of an edit that sync took back.';
COMMENT ON COLUMN iasql_history.table_name IS 'The table of the row.';
COMMENT ON COLUMN iasql_history.region IS 'Its region; NULL for what has none.';
COMMENT ON COLUMN iasql_history.row_key IS 'The primary key of the row, if it had one.';
COMMENT ON COLUMN iasql_history.name IS 'What people call the resource.';
COMMENT ON COLUMN iasql_history.cloud_id IS 'What AWS calls it, once that is known.';
COMMENT ON COLUMN iasql_history.reason IS 'Why, as in iasql_plan().';
COMMENT ON COLUMN iasql_history.before IS 'The resource before the change.';
COMMENT ON COLUMN iasql_history.after IS 'The resource after it; as it was wanted, where the change was not done.';
COMMENT ON COLUMN iasql_history.outcome IS 'done, failed, or unknown; NULL while it is under way or was broken off.';
COMMENT ON COLUMN iasql_history.error IS 'Why it failed.';
COMMENT ON COLUMN iasql_history.caller_committed IS 'Whether the transaction of the call was committed; NULL while that is not known.';
COMMENT ON COLUMN iasql_history.retries IS 'How many of its calls were sent again.';
COMMENT ON COLUMN iasql_history.retry_reason IS 'Why: what AWS said, or that it said nothing.';
COMMENT ON COLUMN iasql_history.waited_seconds IS 'How many seconds its calls were held back, by the pace that AWS allows or before they were sent again, added up.';

CREATE VIEW iasql_unrepresented AS
SELECT table_name, NULLIF(region, '') AS region, cloud_id, reason, noted_at FROM iasql.unrepresented;
COMMENT ON VIEW iasql_unrepresented IS 'What is in the cloud and no row stands for, with the reason; and what could not be read.';
COMMENT ON COLUMN iasql_unrepresented.table_name IS 'The table that it would be a row of.';
COMMENT ON COLUMN iasql_unrepresented.region IS 'Its region; NULL for what has none.';
COMMENT ON COLUMN iasql_unrepresented.cloud_id IS 'What AWS calls it; NULL where a whole table could not be read.';
COMMENT ON COLUMN iasql_unrepresented.reason IS 'Why it has no row.';
COMMENT ON COLUMN iasql_unrepresented.noted_at IS 'When that was found.';

CREATE FUNCTION iasql.workers()
RETURNS TABLE (pid int, caller_pid int, call text, started_at timestamptz, doing text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT a.pid, substring(a.application_name from 'for ([0-9]+)$')::int,
         substring(a.application_name from '^iasql ([a-z_]+)'), a.backend_start, a.query
  FROM pg_stat_activity a
  WHERE a.backend_type = 'iasql worker' AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database());
END;
COMMENT ON FUNCTION iasql.workers() IS 'The workers at work in this database.';

CREATE VIEW iasql_progress AS
SELECT caller_pid, call, started_at,
       substring(doing from '^([0-9]+) of [0-9]+')::int AS done,
       substring(doing from '^[0-9]+ of ([0-9]+)')::int AS total,
       doing, pid AS worker_pid
FROM iasql.workers();
COMMENT ON VIEW iasql_progress IS 'The calls that are running in this database, and what each is at.';
COMMENT ON COLUMN iasql_progress.caller_pid IS 'The process of the session that called.';
COMMENT ON COLUMN iasql_progress.call IS 'What it called: apply, sync, plan and so on.';
COMMENT ON COLUMN iasql_progress.started_at IS 'When the call began.';
COMMENT ON COLUMN iasql_progress.done IS 'How many of its changes are done; NULL while it reads.';
COMMENT ON COLUMN iasql_progress.total IS 'How many changes it makes; NULL while it reads.';
COMMENT ON COLUMN iasql_progress.doing IS 'What it is at, in words.';
COMMENT ON COLUMN iasql_progress.worker_pid IS 'The background process that speaks with AWS for it.';

-- ---------------------------------------------------------------- who may do what

REVOKE EXECUTE ON FUNCTION
  iasql_install(text[]), iasql_uninstall(text[]),
  iasql_plan_apply(), iasql_apply(), iasql_plan_sync(), iasql_sync(),
  iasql_preview_apply(), iasql_preview_sync(), iasql_plan(), iasql_drift(),
  delete_all_records(), iasql_whoami(), default_aws_region(text), iasql.leave_region(text)
FROM PUBLIC;
GRANT USAGE ON SCHEMA iasql TO PUBLIC;
GRANT SELECT ON aws_regions, iasql_progress, iasql_unrepresented TO PUBLIC;
