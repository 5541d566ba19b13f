-- Generated from the structs beside this file by `make schema`.

CREATE TABLE role (
  role_name text PRIMARY KEY,
  arn text,
  role_id text,
  create_date timestamptz,
  assume_role_policy_document jsonb NOT NULL,
  description text,
  attached_policies_arns text[] DEFAULT '{}',
  inline_policies jsonb NOT NULL DEFAULT '{}',
  path text DEFAULT '/',
  max_session_duration integer NOT NULL DEFAULT 3600,
  permissions_boundary text,
  tags jsonb NOT NULL DEFAULT '{}',
  UNIQUE (arn) DEFERRABLE
);
COMMENT ON TABLE role IS 'A role: who may take it on, and what it allows them then.';
COMMENT ON COLUMN role.role_name IS 'Its name, unique within the account.';
COMMENT ON COLUMN role.arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN role.role_id IS 'ID, given by AWS: another role of the same name has another one.';
COMMENT ON COLUMN role.create_date IS 'When it was made.';
COMMENT ON COLUMN role.assume_role_policy_document IS 'The policy document that says who may take it on.';
COMMENT ON COLUMN role.description IS 'What it is for.';
COMMENT ON COLUMN role.attached_policies_arns IS 'The ARNs of the managed policies that are attached to it, in no order.';
COMMENT ON COLUMN role.inline_policies IS 'The policy documents that are part of it, by name.';
COMMENT ON COLUMN role.path IS 'The path that its ARN has before the name, for policies over many roles. A change replaces the role.';
COMMENT ON COLUMN role.max_session_duration IS 'How many seconds a session in it may last at most.';
COMMENT ON COLUMN role.permissions_boundary IS 'The ARN of the managed policy that bounds what the others can allow; no bounds, if NULL.';
COMMENT ON COLUMN role.tags IS 'Tags.';
CREATE FUNCTION iasql.role_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  IF jsonb_typeof(NEW.assume_role_policy_document) = 'string' THEN
    NEW.assume_role_policy_document := iasql.unwrapped(NEW.assume_role_policy_document, 'assume_role_policy_document');
  END IF;
  IF NEW.attached_policies_arns IS NULL THEN NEW.attached_policies_arns := '{}'; END IF;
  IF array_position(NEW.attached_policies_arns, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'attached_policies_arns holds a NULL', HINT = 'Leave it out.', TABLE = 'role';
  END IF;
  IF NEW.inline_policies IS NULL THEN NEW.inline_policies := '{}'; END IF;
  IF jsonb_typeof(NEW.inline_policies) = 'string' THEN
    NEW.inline_policies := iasql.unwrapped(NEW.inline_policies, 'inline_policies');
  END IF;
  IF NEW.path IS NULL THEN NEW.path := '/'; END IF;
  IF NEW.max_session_duration IS NULL THEN NEW.max_session_duration := 3600; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.arn IS NULL THEN NEW.arn := OLD.arn;
  ELSIF NEW.arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.arn IS DISTINCT FROM OLD.arn) THEN
    PERFORM iasql.cloud_owned('role', 'arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.role_id IS NULL THEN NEW.role_id := OLD.role_id;
  ELSIF NEW.role_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.role_id IS DISTINCT FROM OLD.role_id) THEN
    PERFORM iasql.cloud_owned('role', 'role_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.create_date IS NULL THEN NEW.create_date := OLD.create_date;
  ELSIF NEW.create_date IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.create_date IS DISTINCT FROM OLD.create_date) THEN
    PERFORM iasql.cloud_owned('role', 'create_date');
  END IF;
  IF NOT (NEW.assume_role_policy_document IS NULL OR (jsonb_typeof(NEW.assume_role_policy_document) = 'object' AND NEW.assume_role_policy_document ? 'Statement' AND NEW.assume_role_policy_document -> 'Statement' <> '[]' AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.assume_role_policy_document -> 'Statement') WHEN 'array' THEN NEW.assume_role_policy_document -> 'Statement' ELSE jsonb_build_array(NEW.assume_role_policy_document -> 'Statement') END) AS item (statement) WHERE jsonb_typeof(item.statement) <> 'object' OR NOT item.statement ?| '{Action,NotAction}' OR coalesce(item.statement ->> 'Effect', '') NOT IN ('Allow', 'Deny')))) THEN
    RAISE check_violation USING MESSAGE = 'assume_role_policy_document is not a policy document', HINT = 'Write an object with a Statement whose items have Effect and Action, as in {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}.', TABLE = 'role';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.inline_policies) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.inline_policies) AS policy (name, document) WHERE policy.name !~ '^[A-Za-z0-9+=,.@_-]{1,128}$' OR NOT (jsonb_typeof(policy.document) = 'object' AND policy.document ? 'Statement' AND policy.document -> 'Statement' <> '[]' AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(policy.document -> 'Statement') WHEN 'array' THEN policy.document -> 'Statement' ELSE jsonb_build_array(policy.document -> 'Statement') END) AS item (statement) WHERE jsonb_typeof(item.statement) <> 'object' OR NOT item.statement ?| '{Action,NotAction}' OR coalesce(item.statement ->> 'Effect', '') NOT IN ('Allow', 'Deny')))) ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'inline_policies is not a map of policy documents by name', HINT = 'Write an object of documents, each with a name of up to 128 letters, digits and +=,.@_-, as in {"logs": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}}.', TABLE = 'role';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'role';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'role';
  END IF;
  IF NOT (NEW.role_name ~ '^[A-Za-z0-9+=,.@_-]{1,64}$') THEN
    RAISE check_violation USING MESSAGE = 'role_name is no name for a role: 1 to 64 letters, digits, and + = , . @ _ -', HINT = 'Write it like web or web-task.', TABLE = 'role';
  END IF;
  IF NOT (NEW.assume_role_policy_document IS NULL OR NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(NEW.assume_role_policy_document -> 'Statement') WHEN 'array' THEN NEW.assume_role_policy_document -> 'Statement' ELSE jsonb_build_array(NEW.assume_role_policy_document -> 'Statement') END) AS item (statement) WHERE NOT item.statement ?| '{Principal,NotPrincipal}')) THEN
    RAISE check_violation USING MESSAGE = 'assume_role_policy_document has a statement without a Principal: it does not say who may take the role on', HINT = 'Write who, as in {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}.', TABLE = 'role';
  END IF;
  IF NOT (length(NEW.description) <= 1000 AND NEW.description ~ '^[\t\n\r -~\u00a1-\u00ff]+$') THEN
    RAISE check_violation USING MESSAGE = 'description is not one AWS takes: 1 to 1000 characters of English and other Western European languages', HINT = 'Leave the other characters out, or write NULL for none.', TABLE = 'role';
  END IF;
  IF NOT (NOT EXISTS (SELECT FROM unnest(NEW.attached_policies_arns) AS policy (arn) WHERE policy.arn IS NULL OR policy.arn !~ '^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$')) THEN
    RAISE check_violation USING MESSAGE = 'attached_policies_arns has something that is not the ARN of a managed policy', HINT = 'Write them like {arn:aws:iam::aws:policy/ReadOnlyAccess}; documents of the role''s own go into inline_policies.', TABLE = 'role';
  END IF;
  IF NOT (NEW.path ~ '^/([!-~]+/)?$' AND length(NEW.path) <= 512) THEN
    RAISE check_violation USING MESSAGE = 'path is no path for a role: up to 512 characters other than spaces, with / first and last', HINT = 'Write it like /team/, or leave it out.', TABLE = 'role';
  END IF;
  IF NOT (NEW.arn IS NOT NULL OR NEW.path !~ '^/aws-(service-role|reserved)/') THEN
    RAISE check_violation USING MESSAGE = 'path is one that AWS keeps to the roles it makes by itself', HINT = 'Write another path, such as /team/.', TABLE = 'role';
  END IF;
  IF NOT (NEW.max_session_duration BETWEEN 3600 AND 43200) THEN
    RAISE check_violation USING MESSAGE = 'max_session_duration is not between 3600 and 43200 seconds', HINT = 'Write 3600 for an hour, 43200 for twelve.', TABLE = 'role';
  END IF;
  IF NOT (NEW.permissions_boundary ~ '^arn:[a-z-]+:iam::(aws|[0-9]{12}):policy/.+$') THEN
    RAISE check_violation USING MESSAGE = 'permissions_boundary is not the ARN of a managed policy', HINT = 'Write it like arn:aws:iam::aws:policy/PowerUserAccess.', TABLE = 'role';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.role_guard() IS 'Holds users'' edits of role to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON role
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.role_guard();
