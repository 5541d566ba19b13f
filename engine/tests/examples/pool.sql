-- Generated from the structs beside this file by `make schema`.

CREATE TABLE policy (
  id serial PRIMARY KEY,
  repo_name text NOT NULL,
  registry text,
  text jsonb NOT NULL,
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, repo_name),
  FOREIGN KEY (region, repo_name) REFERENCES repo (region, name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON policy (repo_name);
COMMENT ON TABLE policy IS 'A table.';
COMMENT ON COLUMN policy.id IS 'The row, for references within the database.';
COMMENT ON COLUMN policy.repo_name IS 'A column.';
COMMENT ON COLUMN policy.registry IS 'A column.';
COMMENT ON COLUMN policy.text IS 'A column.';
COMMENT ON COLUMN policy.region IS 'The region it lives in.';
CREATE FUNCTION iasql.policy_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF jsonb_typeof(NEW.text) = 'string' THEN
    NEW.text := iasql.unwrapped(NEW.text, 'text');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.registry IS NULL THEN NEW.registry := OLD.registry;
  ELSIF NEW.registry IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.registry IS DISTINCT FROM OLD.registry) THEN
    PERFORM iasql.cloud_owned('policy', 'registry');
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.policy_guard() IS 'Holds users'' edits of policy to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON policy
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.policy_guard();

CREATE TYPE pool_level AS ENUM ('high', 'low');
COMMENT ON TYPE pool_level IS 'A column.';

CREATE TABLE pool (
  name text PRIMARY KEY,
  pool_id text,
  note text,
  level pool_level DEFAULT 'low',
  UNIQUE (pool_id) DEFERRABLE
);
COMMENT ON TABLE pool IS 'A table.';
COMMENT ON COLUMN pool.name IS 'A column.';
COMMENT ON COLUMN pool.pool_id IS 'A column.';
COMMENT ON COLUMN pool.note IS 'A column.';
COMMENT ON COLUMN pool.level IS 'A column.';
CREATE FUNCTION iasql.pool_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  IF NEW.level IS NULL THEN NEW.level := 'low'; END IF;
  IF TG_OP = 'UPDATE' AND NEW.pool_id IS NULL THEN NEW.pool_id := OLD.pool_id;
  ELSIF NEW.pool_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.pool_id IS DISTINCT FROM OLD.pool_id) THEN
    PERFORM iasql.cloud_owned('pool', 'pool_id');
  END IF;
  IF NOT (NEW.name <> 'none') THEN
    RAISE check_violation USING MESSAGE = 'a pool can''t be called none', HINT = 'Take another name, it''s easy.', TABLE = 'pool';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.pool_guard() IS 'Holds users'' edits of pool to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON pool
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.pool_guard();
