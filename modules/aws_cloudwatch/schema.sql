-- Generated from the structs beside this file by `make schema`.

CREATE TYPE log_group_log_group_class_enum AS ENUM ('STANDARD', 'INFREQUENT_ACCESS', 'DELIVERY');
COMMENT ON TYPE log_group_log_group_class_enum IS 'What it can do and what it costs. A change replaces the group.';

CREATE TABLE log_group (
  id serial PRIMARY KEY,
  log_group_name text NOT NULL,
  log_group_arn text,
  creation_time timestamptz,
  retention_in_days integer,
  kms_key_id text,
  log_group_class log_group_log_group_class_enum DEFAULT 'STANDARD',
  replace_anyway boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, log_group_name),
  UNIQUE (region, log_group_arn) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
COMMENT ON TABLE log_group IS 'A group of log streams that share how long they are kept and who may read them.';
COMMENT ON COLUMN log_group.id IS 'The row, for references within the database.';
COMMENT ON COLUMN log_group.log_group_name IS 'Its name, unique within its region.';
COMMENT ON COLUMN log_group.log_group_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN log_group.creation_time IS 'When it was made.';
COMMENT ON COLUMN log_group.retention_in_days IS 'How many days log events are kept; for ever, if NULL.';
COMMENT ON COLUMN log_group.kms_key_id IS 'The ARN of the KMS key that encrypts new log events; AWS takes its own if NULL.';
COMMENT ON COLUMN log_group.log_group_class IS 'What it can do and what it costs. A change replaces the group.';
COMMENT ON COLUMN log_group.replace_anyway IS 'Lets the group be made anew although that loses what is in it. For the next apply.';
COMMENT ON COLUMN log_group.tags IS 'Tags.';
COMMENT ON COLUMN log_group.region IS 'The region it lives in.';
CREATE FUNCTION iasql.log_group_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.log_group_class IS NULL THEN NEW.log_group_class := 'STANDARD'; END IF;
  IF NEW.replace_anyway IS NULL THEN NEW.replace_anyway := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.log_group_arn IS NULL THEN NEW.log_group_arn := OLD.log_group_arn;
  ELSIF NEW.log_group_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.log_group_arn IS DISTINCT FROM OLD.log_group_arn) THEN
    PERFORM iasql.cloud_owned('log_group', 'log_group_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.creation_time IS NULL THEN NEW.creation_time := OLD.creation_time;
  ELSIF NEW.creation_time IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.creation_time IS DISTINCT FROM OLD.creation_time) THEN
    PERFORM iasql.cloud_owned('log_group', 'creation_time');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'log_group';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'log_group';
  END IF;
  IF NOT (NEW.log_group_name ~ '^[A-Za-z0-9_/.#-]+$' AND length(NEW.log_group_name) <= 512) THEN
    RAISE check_violation USING MESSAGE = 'log_group_name is no name for a log group: 1 to 512 letters, digits, and _ - / . #', HINT = 'Write it like web or /team/web.', TABLE = 'log_group';
  END IF;
  IF NOT (NEW.log_group_arn IS NOT NULL OR NEW.log_group_name NOT ILIKE 'aws/%') THEN
    RAISE check_violation USING MESSAGE = 'log_group_name begins with aws/, which AWS keeps to itself', HINT = 'Write /aws/... for the groups that AWS services write to.', TABLE = 'log_group';
  END IF;
  IF NOT (NEW.retention_in_days IN (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)) THEN
    RAISE check_violation USING MESSAGE = 'retention_in_days is not one of the periods that AWS offers', HINT = 'Write 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653, or NULL to keep log events for ever.', TABLE = 'log_group';
  END IF;
  IF NOT (NEW.kms_key_id ~ '^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$') THEN
    RAISE check_violation USING MESSAGE = 'kms_key_id is not the ARN of a KMS key', HINT = 'Write it like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab.', TABLE = 'log_group';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.log_group_guard() IS 'Holds users'' edits of log_group to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON log_group
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.log_group_guard();
