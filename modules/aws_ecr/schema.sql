-- Generated from the structs beside this file by `make schema`.

CREATE TABLE public_repository (
  id serial PRIMARY KEY,
  repository_name text NOT NULL,
  repository_arn text,
  registry_id text,
  repository_uri text,
  created_at timestamptz,
  replace_anyway boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  UNIQUE (repository_name),
  UNIQUE (repository_arn) DEFERRABLE
);
COMMENT ON TABLE public_repository IS 'A public image repository. The account has one public registry for all regions.';
COMMENT ON COLUMN public_repository.id IS 'The row, for references within the database.';
COMMENT ON COLUMN public_repository.repository_name IS 'Its name, unique within the account.';
COMMENT ON COLUMN public_repository.repository_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN public_repository.registry_id IS 'The account whose registry it is in, given by AWS.';
COMMENT ON COLUMN public_repository.repository_uri IS 'What `docker push` and `docker pull` take, given by AWS.';
COMMENT ON COLUMN public_repository.created_at IS 'When it was made.';
COMMENT ON COLUMN public_repository.replace_anyway IS 'Lets the repository be made anew although that loses its page in the gallery. For the next apply.';
COMMENT ON COLUMN public_repository.tags IS 'Tags.';
CREATE FUNCTION iasql.public_repository_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  IF NEW.replace_anyway IS NULL THEN NEW.replace_anyway := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.repository_arn IS NULL THEN NEW.repository_arn := OLD.repository_arn;
  ELSIF NEW.repository_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.repository_arn IS DISTINCT FROM OLD.repository_arn) THEN
    PERFORM iasql.cloud_owned('public_repository', 'repository_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.registry_id IS NULL THEN NEW.registry_id := OLD.registry_id;
  ELSIF NEW.registry_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.registry_id IS DISTINCT FROM OLD.registry_id) THEN
    PERFORM iasql.cloud_owned('public_repository', 'registry_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.repository_uri IS NULL THEN NEW.repository_uri := OLD.repository_uri;
  ELSIF NEW.repository_uri IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.repository_uri IS DISTINCT FROM OLD.repository_uri) THEN
    PERFORM iasql.cloud_owned('public_repository', 'repository_uri');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.created_at IS NULL THEN NEW.created_at := OLD.created_at;
  ELSIF NEW.created_at IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.created_at IS DISTINCT FROM OLD.created_at) THEN
    PERFORM iasql.cloud_owned('public_repository', 'created_at');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'public_repository';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'public_repository';
  END IF;
  IF NOT (NEW.repository_name ~ '^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$' AND length(NEW.repository_name) BETWEEN 2 AND 205) THEN
    RAISE check_violation USING MESSAGE = 'repository_name is no name for a repository: 2 to 205 lower-case letters and digits, with a single . _ - or / between them', HINT = 'Write it like web or team/web-api.', TABLE = 'public_repository';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.public_repository_guard() IS 'Holds users'' edits of public_repository to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON public_repository
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.public_repository_guard();

CREATE TYPE repository_image_tag_mutability_enum AS ENUM ('IMMUTABLE', 'MUTABLE', 'IMMUTABLE_WITH_EXCLUSION', 'MUTABLE_WITH_EXCLUSION');
COMMENT ON TYPE repository_image_tag_mutability_enum IS 'Whether a tag that has been pushed may be pushed again: `MUTABLE`, `IMMUTABLE`, or one of these but for the tags that match mutability_exclusions.';

CREATE TYPE repository_encryption_type_enum AS ENUM ('AES256', 'KMS', 'KMS_DSSE');
COMMENT ON TYPE repository_encryption_type_enum IS 'How images are encrypted at rest. A change replaces the repository.';

CREATE TABLE repository (
  id serial PRIMARY KEY,
  repository_name text NOT NULL,
  repository_arn text,
  registry_id text,
  repository_uri text,
  created_at timestamptz,
  image_tag_mutability repository_image_tag_mutability_enum NOT NULL DEFAULT 'MUTABLE',
  mutability_exclusions text[] DEFAULT '{}',
  scan_on_push boolean NOT NULL DEFAULT false,
  encryption_type repository_encryption_type_enum,
  kms_key text,
  replace_anyway boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, repository_name),
  UNIQUE (region, repository_arn) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
COMMENT ON TABLE repository IS 'A private image repository.';
COMMENT ON COLUMN repository.id IS 'The row, for references within the database.';
COMMENT ON COLUMN repository.repository_name IS 'Its name, unique within its region.';
COMMENT ON COLUMN repository.repository_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN repository.registry_id IS 'The account whose registry it is in, given by AWS.';
COMMENT ON COLUMN repository.repository_uri IS 'What `docker push` and `docker pull` take, given by AWS.';
COMMENT ON COLUMN repository.created_at IS 'When it was made.';
COMMENT ON COLUMN repository.image_tag_mutability IS 'Whether a tag that has been pushed may be pushed again: `MUTABLE`, `IMMUTABLE`, or one of these but for the tags that match mutability_exclusions.';
COMMENT ON COLUMN repository.mutability_exclusions IS 'Patterns of the tags that image_tag_mutability does not hold for, such as `dev-*`.';
COMMENT ON COLUMN repository.scan_on_push IS 'Whether images are scanned for vulnerabilities as they are pushed.';
COMMENT ON COLUMN repository.encryption_type IS 'How images are encrypted at rest. A change replaces the repository.';
COMMENT ON COLUMN repository.kms_key IS 'The ARN of the KMS key that encrypts images; AWS takes its own if there is none. A change replaces the repository.';
COMMENT ON COLUMN repository.replace_anyway IS 'Lets the repository be made anew although that loses its lifecycle policy. For the next apply.';
COMMENT ON COLUMN repository.tags IS 'Tags.';
COMMENT ON COLUMN repository.region IS 'The region it lives in.';
CREATE FUNCTION iasql.repository_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.image_tag_mutability IS NULL THEN NEW.image_tag_mutability := 'MUTABLE'; END IF;
  IF NEW.mutability_exclusions IS NULL THEN NEW.mutability_exclusions := '{}'; END IF;
  IF array_position(NEW.mutability_exclusions, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'mutability_exclusions holds a NULL', HINT = 'Leave it out.', TABLE = 'repository';
  END IF;
  IF NEW.scan_on_push IS NULL THEN NEW.scan_on_push := false; END IF;
  IF NEW.replace_anyway IS NULL THEN NEW.replace_anyway := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.repository_arn IS NULL THEN NEW.repository_arn := OLD.repository_arn;
  ELSIF NEW.repository_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.repository_arn IS DISTINCT FROM OLD.repository_arn) THEN
    PERFORM iasql.cloud_owned('repository', 'repository_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.registry_id IS NULL THEN NEW.registry_id := OLD.registry_id;
  ELSIF NEW.registry_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.registry_id IS DISTINCT FROM OLD.registry_id) THEN
    PERFORM iasql.cloud_owned('repository', 'registry_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.repository_uri IS NULL THEN NEW.repository_uri := OLD.repository_uri;
  ELSIF NEW.repository_uri IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.repository_uri IS DISTINCT FROM OLD.repository_uri) THEN
    PERFORM iasql.cloud_owned('repository', 'repository_uri');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.created_at IS NULL THEN NEW.created_at := OLD.created_at;
  ELSIF NEW.created_at IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.created_at IS DISTINCT FROM OLD.created_at) THEN
    PERFORM iasql.cloud_owned('repository', 'created_at');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'repository';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'repository';
  END IF;
  IF NOT (NEW.repository_name ~ '^([a-z0-9]+([._-][a-z0-9]+)*/)*[a-z0-9]+([._-][a-z0-9]+)*$' AND length(NEW.repository_name) BETWEEN 2 AND 256) THEN
    RAISE check_violation USING MESSAGE = 'repository_name is no name for a repository: 2 to 256 lower-case letters and digits, with a single . _ - or / between them', HINT = 'Write it like web or team/web-api.', TABLE = 'repository';
  END IF;
  IF NOT (NEW.kms_key ~ '^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$') THEN
    RAISE check_violation USING MESSAGE = 'kms_key is not the ARN of a KMS key', HINT = 'Write it like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab; AWS answers with that form of an alias, too.', TABLE = 'repository';
  END IF;
  IF NOT ((NEW.image_tag_mutability::text LIKE '%WITH_EXCLUSION') = (cardinality(NEW.mutability_exclusions) > 0)) THEN
    RAISE check_violation USING MESSAGE = 'mutability_exclusions goes with an image_tag_mutability of IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION, and only with these', HINT = 'Write both, as in image_tag_mutability = ''IMMUTABLE_WITH_EXCLUSION'', mutability_exclusions = ''{latest,dev-*}''.', TABLE = 'repository';
  END IF;
  IF NOT (NEW.kms_key IS NULL OR NEW.encryption_type IS DISTINCT FROM 'AES256') THEN
    RAISE check_violation USING MESSAGE = 'a kms_key is not used with an encryption_type of AES256', HINT = 'Leave encryption_type out, or set it to KMS.', TABLE = 'repository';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.repository_guard() IS 'Holds users'' edits of repository to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON repository
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.repository_guard();

CREATE TABLE repository_policy (
  id serial PRIMARY KEY,
  repository_name text NOT NULL,
  registry_id text,
  policy_text jsonb NOT NULL,
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, repository_name),
  FOREIGN KEY (region, repository_name) REFERENCES repository (region, repository_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON repository_policy (repository_name);
COMMENT ON TABLE repository_policy IS 'The policy of a private repository: who may pull from it and push to it.';
COMMENT ON COLUMN repository_policy.id IS 'The row, for references within the database.';
COMMENT ON COLUMN repository_policy.repository_name IS 'The repository it is for; each has one policy at most.';
COMMENT ON COLUMN repository_policy.registry_id IS 'The account whose registry the repository is in, given by AWS.';
COMMENT ON COLUMN repository_policy.policy_text IS 'The policy document.';
COMMENT ON COLUMN repository_policy.region IS 'The region it lives in.';
CREATE FUNCTION iasql.repository_policy_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF jsonb_typeof(NEW.policy_text) = 'string' THEN
    NEW.policy_text := iasql.unwrapped(NEW.policy_text, 'policy_text');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.registry_id IS NULL THEN NEW.registry_id := OLD.registry_id;
  ELSIF NEW.registry_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.registry_id IS DISTINCT FROM OLD.registry_id) THEN
    PERFORM iasql.cloud_owned('repository_policy', 'registry_id');
  END IF;
  IF NOT (NEW.policy_text IS NULL OR (jsonb_typeof(NEW.policy_text) = 'object' AND NEW.policy_text ? 'Statement' AND NEW.policy_text -> 'Statement' <> '[]' AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.policy_text -> 'Statement') WHEN 'array' THEN NEW.policy_text -> 'Statement' ELSE jsonb_build_array(NEW.policy_text -> 'Statement') END) AS item (statement) WHERE jsonb_typeof(item.statement) <> 'object' OR NOT item.statement ?| '{Action,NotAction}' OR coalesce(item.statement ->> 'Effect', '') NOT IN ('Allow', 'Deny')))) THEN
    RAISE check_violation USING MESSAGE = 'policy_text is not a policy document', HINT = 'Write an object with a Statement whose items have Effect and Action, as in {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}.', TABLE = 'repository_policy';
  END IF;
  IF NOT (NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.policy_text -> 'Statement') WHEN 'array' THEN NEW.policy_text -> 'Statement' ELSE jsonb_build_array(NEW.policy_text -> 'Statement') END) AS item (statement) WHERE NOT item.statement ?| '{Principal,NotPrincipal}')) THEN
    RAISE check_violation USING MESSAGE = 'policy_text has a statement without a Principal: it says for nobody what is allowed', HINT = 'Write whom it is for, as in "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, or "*" for everyone.', TABLE = 'repository_policy';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.repository_policy_guard() IS 'Holds users'' edits of repository_policy to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON repository_policy
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.repository_policy_guard();

CREATE TABLE repository_image (
  id serial PRIMARY KEY,
  image_uri text,
  repository_name text,
  digest text,
  tag text,
  pushed_at timestamptz,
  size bigint,
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, image_uri) DEFERRABLE,
  FOREIGN KEY (region, repository_name) REFERENCES repository (region, repository_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON repository_image (repository_name);
COMMENT ON TABLE repository_image IS 'An image in a private repository, once for each of its tags. Images come by `docker push`; a row can be deleted, and with an image''s last tag the image goes.';
COMMENT ON COLUMN repository_image.id IS 'The row, for references within the database.';
COMMENT ON COLUMN repository_image.image_uri IS 'What `docker pull` takes, given by AWS.';
COMMENT ON COLUMN repository_image.repository_name IS 'The repository it is in.';
COMMENT ON COLUMN repository_image.digest IS 'The digest of its manifest.';
COMMENT ON COLUMN repository_image.tag IS 'Its tag, if it has one.';
COMMENT ON COLUMN repository_image.pushed_at IS 'When it was pushed.';
COMMENT ON COLUMN repository_image.size IS 'Its size in the repository in bytes, compressed.';
COMMENT ON COLUMN repository_image.region IS 'The region it lives in.';
CREATE FUNCTION iasql.repository_image_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  PERFORM iasql.imported_only('repository_image');
  NEW.region := iasql.known_region(NEW.region);
  IF TG_OP = 'UPDATE' AND NEW.image_uri IS NULL THEN NEW.image_uri := OLD.image_uri;
  ELSIF NEW.image_uri IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.image_uri IS DISTINCT FROM OLD.image_uri) THEN
    PERFORM iasql.cloud_owned('repository_image', 'image_uri');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.repository_name IS NULL THEN NEW.repository_name := OLD.repository_name;
  ELSIF NEW.repository_name IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.repository_name IS DISTINCT FROM OLD.repository_name) THEN
    PERFORM iasql.cloud_owned('repository_image', 'repository_name');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.digest IS NULL THEN NEW.digest := OLD.digest;
  ELSIF NEW.digest IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.digest IS DISTINCT FROM OLD.digest) THEN
    PERFORM iasql.cloud_owned('repository_image', 'digest');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.tag IS NULL THEN NEW.tag := OLD.tag;
  ELSIF NEW.tag IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.tag IS DISTINCT FROM OLD.tag) THEN
    PERFORM iasql.cloud_owned('repository_image', 'tag');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.pushed_at IS NULL THEN NEW.pushed_at := OLD.pushed_at;
  ELSIF NEW.pushed_at IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.pushed_at IS DISTINCT FROM OLD.pushed_at) THEN
    PERFORM iasql.cloud_owned('repository_image', 'pushed_at');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.size IS NULL THEN NEW.size := OLD.size;
  ELSIF NEW.size IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.size IS DISTINCT FROM OLD.size) THEN
    PERFORM iasql.cloud_owned('repository_image', 'size');
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.repository_image_guard() IS 'Holds users'' edits of repository_image to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON repository_image
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.repository_image_guard();
