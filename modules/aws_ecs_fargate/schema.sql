-- Generated from the structs beside this file by `make schema`.

CREATE TYPE cluster_container_insights_enum AS ENUM ('disabled', 'enabled', 'enhanced');
COMMENT ON TYPE cluster_container_insights_enum IS 'Whether CloudWatch gathers metrics of it (`enabled`), down to single tasks and containers (`enhanced`), or not (`disabled`); what the account is set to, if NULL.';

CREATE TABLE cluster (
  id serial PRIMARY KEY,
  cluster_name text NOT NULL,
  cluster_arn text,
  cluster_status text,
  container_insights cluster_container_insights_enum,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, cluster_name),
  UNIQUE (region, cluster_arn) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
COMMENT ON TABLE cluster IS 'A group of services and tasks.';
COMMENT ON COLUMN cluster.id IS 'The row, for references within the database.';
COMMENT ON COLUMN cluster.cluster_name IS 'Its name, unique within its region.';
COMMENT ON COLUMN cluster.cluster_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN cluster.cluster_status IS 'Whether AWS has it ready (`ACTIVE`).';
COMMENT ON COLUMN cluster.container_insights IS 'Whether CloudWatch gathers metrics of it (`enabled`), down to single tasks and containers (`enhanced`), or not (`disabled`); what the account is set to, if NULL.';
COMMENT ON COLUMN cluster.tags IS 'Tags.';
COMMENT ON COLUMN cluster.region IS 'The region it lives in.';
CREATE FUNCTION iasql.cluster_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.cluster_arn IS NULL THEN NEW.cluster_arn := OLD.cluster_arn;
  ELSIF NEW.cluster_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.cluster_arn IS DISTINCT FROM OLD.cluster_arn) THEN
    PERFORM iasql.cloud_owned('cluster', 'cluster_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.cluster_status IS NULL THEN NEW.cluster_status := OLD.cluster_status;
  ELSIF NEW.cluster_status IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.cluster_status IS DISTINCT FROM OLD.cluster_status) THEN
    PERFORM iasql.cloud_owned('cluster', 'cluster_status');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'cluster';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'cluster';
  END IF;
  IF NOT (NEW.cluster_name ~ '^[A-Za-z0-9_-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'cluster_name is no name for a cluster: 1 to 255 letters, digits, - and _', HINT = 'Write it like web or web-staging.', TABLE = 'cluster';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.cluster_guard() IS 'Holds users'' edits of cluster to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON cluster
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.cluster_guard();

CREATE TYPE task_definition_status_enum AS ENUM ('ACTIVE', 'INACTIVE');
COMMENT ON TYPE task_definition_status_enum IS 'Whether AWS has it ready; NULL until the first apply.';

CREATE TYPE task_definition_cpu_memory_enum AS ENUM ('vCPU0.25-0.5GB', 'vCPU0.25-1GB', 'vCPU0.25-2GB', 'vCPU0.5-1GB', 'vCPU0.5-2GB', 'vCPU0.5-3GB', 'vCPU0.5-4GB', 'vCPU1-2GB', 'vCPU1-3GB', 'vCPU1-4GB', 'vCPU1-5GB', 'vCPU1-6GB', 'vCPU1-7GB', 'vCPU1-8GB', 'vCPU2-4GB', 'vCPU2-5GB', 'vCPU2-6GB', 'vCPU2-7GB', 'vCPU2-8GB', 'vCPU2-9GB', 'vCPU2-10GB', 'vCPU2-11GB', 'vCPU2-12GB', 'vCPU2-13GB', 'vCPU2-14GB', 'vCPU2-15GB', 'vCPU2-16GB', 'vCPU4-8GB', 'vCPU4-9GB', 'vCPU4-10GB', 'vCPU4-11GB', 'vCPU4-12GB', 'vCPU4-13GB', 'vCPU4-14GB', 'vCPU4-15GB', 'vCPU4-16GB', 'vCPU4-17GB', 'vCPU4-18GB', 'vCPU4-19GB', 'vCPU4-20GB', 'vCPU4-21GB', 'vCPU4-22GB', 'vCPU4-23GB', 'vCPU4-24GB', 'vCPU4-25GB', 'vCPU4-26GB', 'vCPU4-27GB', 'vCPU4-28GB', 'vCPU4-29GB', 'vCPU4-30GB', 'vCPU8-16GB', 'vCPU8-20GB', 'vCPU8-24GB', 'vCPU8-28GB', 'vCPU8-32GB', 'vCPU8-36GB', 'vCPU8-40GB', 'vCPU8-44GB', 'vCPU8-48GB', 'vCPU8-52GB', 'vCPU8-56GB', 'vCPU8-60GB', 'vCPU16-32GB', 'vCPU16-40GB', 'vCPU16-48GB', 'vCPU16-56GB', 'vCPU16-64GB', 'vCPU16-72GB', 'vCPU16-80GB', 'vCPU16-88GB', 'vCPU16-96GB', 'vCPU16-104GB', 'vCPU16-112GB', 'vCPU16-120GB');
COMMENT ON TYPE task_definition_cpu_memory_enum IS 'How much CPU and memory a task gets.';

CREATE TYPE task_definition_cpu_architecture_enum AS ENUM ('X86_64', 'ARM64');
COMMENT ON TYPE task_definition_cpu_architecture_enum IS 'The kind of processor it runs on.';

CREATE TYPE task_definition_operating_system_family_enum AS ENUM ('LINUX', 'WINDOWS_SERVER_2019_CORE', 'WINDOWS_SERVER_2019_FULL', 'WINDOWS_SERVER_2022_CORE', 'WINDOWS_SERVER_2022_FULL', 'WINDOWS_SERVER_2025_CORE', 'WINDOWS_SERVER_2025_FULL');
COMMENT ON TYPE task_definition_operating_system_family_enum IS 'The operating system it runs on.';

CREATE TABLE task_definition (
  id serial PRIMARY KEY,
  task_definition_arn text,
  family text NOT NULL,
  revision integer,
  status task_definition_status_enum,
  cpu_memory task_definition_cpu_memory_enum,
  task_role_name text,
  execution_role_name text,
  cpu_architecture task_definition_cpu_architecture_enum DEFAULT 'X86_64',
  operating_system_family task_definition_operating_system_family_enum DEFAULT 'LINUX',
  ephemeral_storage_gib integer,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, task_definition_arn) DEFERRABLE,
  FOREIGN KEY (task_role_name) REFERENCES role (role_name) ON UPDATE CASCADE,
  FOREIGN KEY (execution_role_name) REFERENCES role (role_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON task_definition (task_role_name);
CREATE INDEX ON task_definition (execution_role_name);
COMMENT ON TABLE task_definition IS 'What a task consists of: its containers, how much CPU and memory it gets, and its roles.

An edit of it, or of its containers, registers the next revision for the same row; the services that use it move on, and the revision before it is deregistered.';
COMMENT ON COLUMN task_definition.id IS 'The row, for references within the database.';
COMMENT ON COLUMN task_definition.task_definition_arn IS 'ARN of the revision, given by AWS.';
COMMENT ON COLUMN task_definition.family IS 'The name that its revisions share.';
COMMENT ON COLUMN task_definition.revision IS 'The number of the revision, given by AWS.';
COMMENT ON COLUMN task_definition.status IS 'Whether AWS has it ready; NULL until the first apply.';
COMMENT ON COLUMN task_definition.cpu_memory IS 'How much CPU and memory a task gets.';
COMMENT ON COLUMN task_definition.task_role_name IS 'The role that its containers act in.';
COMMENT ON COLUMN task_definition.execution_role_name IS 'The role that images are pulled and logs are written in, which private repositories and log groups need.';
COMMENT ON COLUMN task_definition.cpu_architecture IS 'The kind of processor it runs on.';
COMMENT ON COLUMN task_definition.operating_system_family IS 'The operating system it runs on.';
COMMENT ON COLUMN task_definition.ephemeral_storage_gib IS 'The storage that a task gets while it runs, in GiB; 20, if NULL.';
COMMENT ON COLUMN task_definition.tags IS 'Tags.';
COMMENT ON COLUMN task_definition.region IS 'The region it lives in.';
CREATE FUNCTION iasql.task_definition_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.cpu_architecture IS NULL THEN NEW.cpu_architecture := 'X86_64'; END IF;
  IF NEW.operating_system_family IS NULL THEN NEW.operating_system_family := 'LINUX'; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.task_definition_arn IS NULL THEN NEW.task_definition_arn := OLD.task_definition_arn;
  ELSIF NEW.task_definition_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.task_definition_arn IS DISTINCT FROM OLD.task_definition_arn) THEN
    PERFORM iasql.cloud_owned('task_definition', 'task_definition_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.revision IS NULL THEN NEW.revision := OLD.revision;
  ELSIF NEW.revision IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.revision IS DISTINCT FROM OLD.revision) THEN
    PERFORM iasql.cloud_owned('task_definition', 'revision');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.status IS NULL THEN NEW.status := OLD.status;
  ELSIF NEW.status IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.status IS DISTINCT FROM OLD.status) THEN
    PERFORM iasql.cloud_owned('task_definition', 'status');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'task_definition';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'task_definition';
  END IF;
  IF NOT (NEW.family ~ '^[A-Za-z0-9_-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'family is no name for a task definition: 1 to 255 letters, digits, - and _', HINT = 'Write it like web.', TABLE = 'task_definition';
  END IF;
  IF NOT (NEW.cpu_memory IS NOT NULL) THEN
    RAISE check_violation USING MESSAGE = 'a task definition needs its cpu_memory: Fargate has to know how much of both a task gets', HINT = 'Write, say, vCPU0.25-0.5GB.', TABLE = 'task_definition';
  END IF;
  IF NOT (NEW.ephemeral_storage_gib BETWEEN 21 AND 200) THEN
    RAISE check_violation USING MESSAGE = 'ephemeral_storage_gib is not between 21 and 200', HINT = 'Write NULL for the 20 GiB that come by themselves.', TABLE = 'task_definition';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.task_definition_guard() IS 'Holds users'' edits of task_definition to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON task_definition
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.task_definition_guard();

CREATE TYPE container_definition_protocol_enum AS ENUM ('tcp', 'udp');
COMMENT ON TYPE container_definition_protocol_enum IS 'The protocol of that port.';

CREATE TABLE container_definition (
  id serial PRIMARY KEY,
  task_definition_id integer NOT NULL REFERENCES task_definition (id) ON DELETE CASCADE,
  name text NOT NULL,
  repository_name text,
  public_repository_name text,
  image text,
  tag text,
  digest text,
  essential boolean NOT NULL DEFAULT false,
  cpu integer,
  memory integer,
  memory_reservation integer,
  host_port integer,
  container_port integer,
  protocol container_definition_protocol_enum DEFAULT 'tcp',
  env_variables jsonb NOT NULL DEFAULT '{}',
  log_group_name text,
  log_stream_prefix text DEFAULT 'ecs',
  log_options jsonb NOT NULL DEFAULT '{}',
  other_port_mappings jsonb NOT NULL DEFAULT '[]',
  secrets jsonb NOT NULL DEFAULT '{}',
  command text[] DEFAULT '{}',
  entry_point text[] DEFAULT '{}',
  working_directory text,
  user_name text,
  depends_on jsonb NOT NULL DEFAULT '{}',
  health_check_command text[] DEFAULT '{}',
  health_check_interval integer NOT NULL DEFAULT 30,
  health_check_timeout integer NOT NULL DEFAULT 5,
  health_check_retries integer NOT NULL DEFAULT 3,
  health_check_start_period integer NOT NULL DEFAULT 0,
  read_only_root_filesystem boolean NOT NULL DEFAULT false,
  start_timeout integer,
  stop_timeout integer,
  docker_labels jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, task_definition_id, name),
  FOREIGN KEY (region, repository_name) REFERENCES repository (region, repository_name) ON UPDATE CASCADE,
  FOREIGN KEY (public_repository_name) REFERENCES public_repository (repository_name) ON UPDATE CASCADE,
  FOREIGN KEY (region, log_group_name) REFERENCES log_group (region, log_group_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON container_definition (repository_name);
CREATE INDEX ON container_definition (public_repository_name);
CREATE INDEX ON container_definition (log_group_name);
COMMENT ON TABLE container_definition IS 'A container of a task definition. An edit makes the next revision of the task definition.';
COMMENT ON COLUMN container_definition.id IS 'The row, for references within the database.';
COMMENT ON COLUMN container_definition.task_definition_id IS 'The task_definition that it is part of.';
COMMENT ON COLUMN container_definition.name IS 'Its name, unique within the task definition.';
COMMENT ON COLUMN container_definition.repository_name IS 'The private repository that its image is in.';
COMMENT ON COLUMN container_definition.public_repository_name IS 'The public repository that its image is in.';
COMMENT ON COLUMN container_definition.image IS 'The image, such as `nginx` or `quay.io/team/web`, without tag and digest. For one in a repository of the tables here, repository_name or public_repository_name.';
COMMENT ON COLUMN container_definition.tag IS 'The tag of the image; AWS takes `latest` if there is neither this nor a digest.';
COMMENT ON COLUMN container_definition.digest IS 'The digest of the image.';
COMMENT ON COLUMN container_definition.essential IS 'Whether the task stops when this container does. At least one has to be.';
COMMENT ON COLUMN container_definition.cpu IS 'The part of the task''s CPU that it gets, in 1024ths of a virtual CPU.';
COMMENT ON COLUMN container_definition.memory IS 'The memory that it is stopped for exceeding, in MiB.';
COMMENT ON COLUMN container_definition.memory_reservation IS 'The memory that it has for sure, in MiB.';
COMMENT ON COLUMN container_definition.host_port IS 'The same as container_port, on Fargate.';
COMMENT ON COLUMN container_definition.container_port IS 'The port that it listens on.';
COMMENT ON COLUMN container_definition.protocol IS 'The protocol of that port.';
COMMENT ON COLUMN container_definition.env_variables IS 'The variables of its environment: names and values.';
COMMENT ON COLUMN container_definition.log_group_name IS 'The log group that it writes to.';
COMMENT ON COLUMN container_definition.log_stream_prefix IS 'What the names of its log streams begin with.';
COMMENT ON COLUMN container_definition.log_options IS 'Further options of the log driver `awslogs`, such as mode or max-buffer-size.';
COMMENT ON COLUMN container_definition.other_port_mappings IS 'Ports beside container_port, as in `[{"containerPort": 9090, "protocol": "udp"}]`; also with name, appProtocol (http, http2, grpc), or containerPortRange in place of containerPort.';
COMMENT ON COLUMN container_definition.secrets IS 'Variables of its environment whose values are secret: names, and the ARNs of secrets of Secrets Manager or of parameters of Systems Manager.';
COMMENT ON COLUMN container_definition.command IS 'What it runs, or the arguments of its entry point; those of the image, if empty.';
COMMENT ON COLUMN container_definition.entry_point IS 'What it runs command with; that of the image, if empty.';
COMMENT ON COLUMN container_definition.working_directory IS 'The directory that it runs in; that of the image, if NULL.';
COMMENT ON COLUMN container_definition.user_name IS 'The user that it runs as, and its group after a colon; that of the image, if NULL.';
COMMENT ON COLUMN container_definition.depends_on IS 'The containers that it waits for, and for what: `START`, `COMPLETE`, `SUCCESS`, `HEALTHY`.';
COMMENT ON COLUMN container_definition.health_check_command IS 'What says whether it is well, such as `{CMD-SHELL,curl -f http://localhost/}`; nothing, if empty.';
COMMENT ON COLUMN container_definition.health_check_interval IS 'How many seconds lie between two health checks.';
COMMENT ON COLUMN container_definition.health_check_timeout IS 'How many seconds a health check may take.';
COMMENT ON COLUMN container_definition.health_check_retries IS 'How many health checks in a row have to fail for it to be unhealthy.';
COMMENT ON COLUMN container_definition.health_check_start_period IS 'For how many seconds after its start failures do not count.';
COMMENT ON COLUMN container_definition.read_only_root_filesystem IS 'Whether it can''t write to its own files.';
COMMENT ON COLUMN container_definition.start_timeout IS 'How many seconds those that depend on it wait for it.';
COMMENT ON COLUMN container_definition.stop_timeout IS 'How many seconds it may take to stop before it is killed.';
COMMENT ON COLUMN container_definition.docker_labels IS 'Its labels.';
COMMENT ON COLUMN container_definition.region IS 'The region it lives in.';
CREATE FUNCTION iasql.container_definition_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $guard$
BEGIN
  NEW.region := iasql.known_region(coalesce((SELECT region FROM task_definition WHERE id = NEW.task_definition_id), NEW.region));
  IF NEW.essential IS NULL THEN NEW.essential := false; END IF;
  IF NEW.protocol IS NULL THEN NEW.protocol := 'tcp'; END IF;
  IF NEW.env_variables IS NULL THEN NEW.env_variables := '{}'; END IF;
  IF jsonb_typeof(NEW.env_variables) = 'string' THEN
    NEW.env_variables := iasql.unwrapped(NEW.env_variables, 'env_variables');
  END IF;
  IF NEW.log_stream_prefix IS NULL THEN NEW.log_stream_prefix := 'ecs'; END IF;
  IF NEW.log_options IS NULL THEN NEW.log_options := '{}'; END IF;
  IF jsonb_typeof(NEW.log_options) = 'string' THEN
    NEW.log_options := iasql.unwrapped(NEW.log_options, 'log_options');
  END IF;
  IF NEW.other_port_mappings IS NULL THEN NEW.other_port_mappings := '[]'; END IF;
  IF jsonb_typeof(NEW.other_port_mappings) = 'string' THEN
    NEW.other_port_mappings := iasql.unwrapped(NEW.other_port_mappings, 'other_port_mappings');
  END IF;
  IF NEW.secrets IS NULL THEN NEW.secrets := '{}'; END IF;
  IF jsonb_typeof(NEW.secrets) = 'string' THEN
    NEW.secrets := iasql.unwrapped(NEW.secrets, 'secrets');
  END IF;
  IF NEW.command IS NULL THEN NEW.command := '{}'; END IF;
  IF array_position(NEW.command, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'command holds a NULL', HINT = 'Leave it out.', TABLE = 'container_definition';
  END IF;
  IF NEW.entry_point IS NULL THEN NEW.entry_point := '{}'; END IF;
  IF array_position(NEW.entry_point, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'entry_point holds a NULL', HINT = 'Leave it out.', TABLE = 'container_definition';
  END IF;
  IF NEW.depends_on IS NULL THEN NEW.depends_on := '{}'; END IF;
  IF jsonb_typeof(NEW.depends_on) = 'string' THEN
    NEW.depends_on := iasql.unwrapped(NEW.depends_on, 'depends_on');
  END IF;
  IF NEW.health_check_command IS NULL THEN NEW.health_check_command := '{}'; END IF;
  IF array_position(NEW.health_check_command, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'health_check_command holds a NULL', HINT = 'Leave it out.', TABLE = 'container_definition';
  END IF;
  IF NEW.health_check_interval IS NULL THEN NEW.health_check_interval := 30; END IF;
  IF NEW.health_check_timeout IS NULL THEN NEW.health_check_timeout := 5; END IF;
  IF NEW.health_check_retries IS NULL THEN NEW.health_check_retries := 3; END IF;
  IF NEW.health_check_start_period IS NULL THEN NEW.health_check_start_period := 0; END IF;
  IF NEW.read_only_root_filesystem IS NULL THEN NEW.read_only_root_filesystem := false; END IF;
  IF NEW.docker_labels IS NULL THEN NEW.docker_labels := '{}'; END IF;
  IF jsonb_typeof(NEW.docker_labels) = 'string' THEN
    NEW.docker_labels := iasql.unwrapped(NEW.docker_labels, 'docker_labels');
  END IF;
  NEW.repository_name := coalesce(NEW.repository_name, (SELECT repository_name FROM repository WHERE repository_uri = NEW.image AND region = NEW.region));
  NEW.public_repository_name := coalesce(NEW.public_repository_name, (SELECT repository_name FROM public_repository WHERE repository_uri = NEW.image));
  NEW.image := CASE WHEN NEW.image IN (SELECT repository_uri FROM repository WHERE repository_name = NEW.repository_name AND region = NEW.region UNION ALL SELECT repository_uri FROM public_repository WHERE repository_name = NEW.public_repository_name) THEN NULL ELSE NEW.image END;
  NEW.cpu := nullif(NEW.cpu, 0);
  NEW.host_port := CASE WHEN NEW.host_port IS NULL OR NEW.host_port = OLD.container_port THEN NEW.container_port ELSE NEW.host_port END;
  NEW.other_port_mappings := CASE WHEN jsonb_path_exists(NEW.other_port_mappings, 'strict $[*] ? (@.type() != "object")', silent => true) OR jsonb_typeof(NEW.other_port_mappings) <> 'array' THEN NEW.other_port_mappings ELSE (SELECT coalesce(jsonb_agg('{"protocol": "tcp"}' || it - 'hostPort' ORDER BY at), '[]') FROM jsonb_array_elements(NEW.other_port_mappings) WITH ORDINALITY AS mapping (it, at)) END;
  IF NOT (CASE jsonb_typeof(NEW.env_variables) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.env_variables) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'env_variables is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'container_definition';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.log_options) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.log_options) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'log_options is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'container_definition';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.secrets) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.secrets) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'secrets is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'container_definition';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.depends_on) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.depends_on) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'depends_on is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'container_definition';
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.docker_labels) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.docker_labels) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'docker_labels is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.name ~ '^[A-Za-z0-9_-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'name is no name for a container: 1 to 255 letters, digits, - and _', HINT = 'Write it like web.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.image !~ '@' AND (NEW.digest IS NOT NULL OR NEW.image !~ ':[^/]*$')) THEN
    RAISE check_violation USING MESSAGE = 'image has its tag or digest in it', HINT = 'Write these in the columns tag and digest.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.tag ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$') THEN
    RAISE check_violation USING MESSAGE = 'tag is no tag of an image: up to 128 letters, digits, and _ . -', HINT = 'Write it like latest or v1.2.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.digest ~ '^[a-z0-9]+:[0-9a-f]{32,}$') THEN
    RAISE check_violation USING MESSAGE = 'digest is no digest of an image', HINT = 'Write it as registries show it, sha256: and 64 hexadecimal digits.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.container_port BETWEEN 1 AND 65535) THEN
    RAISE check_violation USING MESSAGE = 'container_port is not between 1 and 65535', HINT = 'Write the port that the container listens on.', TABLE = 'container_definition';
  END IF;
  IF NOT (jsonb_typeof(NEW.other_port_mappings) = 'array' AND NOT EXISTS (SELECT FROM jsonb_array_elements(NEW.other_port_mappings) AS mapping (it) WHERE jsonb_typeof(it) <> 'object' OR NOT it ?| '{containerPort,containerPortRange}')) THEN
    RAISE check_violation USING MESSAGE = 'other_port_mappings is no list of ports', HINT = 'Write it like [{"containerPort": 9090}].', TABLE = 'container_definition';
  END IF;
  IF NOT (NOT EXISTS (SELECT FROM jsonb_each_text(NEW.depends_on) AS other (name, condition) WHERE other.condition NOT IN ('START', 'COMPLETE', 'SUCCESS', 'HEALTHY'))) THEN
    RAISE check_violation USING MESSAGE = 'depends_on waits for something other than START, COMPLETE, SUCCESS and HEALTHY', HINT = 'Write it like {"proxy": "HEALTHY"}.', TABLE = 'container_definition';
  END IF;
  IF NOT (cardinality(NEW.health_check_command) = 0 OR NEW.health_check_command[1] IN ('CMD', 'CMD-SHELL', 'NONE')) THEN
    RAISE check_violation USING MESSAGE = 'health_check_command begins with neither CMD nor CMD-SHELL', HINT = 'Write it like {CMD-SHELL,curl -f http://localhost/}.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.health_check_interval BETWEEN 5 AND 300) THEN
    RAISE check_violation USING MESSAGE = 'health_check_interval is not between 5 and 300 seconds', HINT = 'Write, say, 30.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.health_check_timeout BETWEEN 2 AND 60) THEN
    RAISE check_violation USING MESSAGE = 'health_check_timeout is not between 2 and 60 seconds', HINT = 'Write, say, 5.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.health_check_retries BETWEEN 1 AND 10) THEN
    RAISE check_violation USING MESSAGE = 'health_check_retries is not between 1 and 10', HINT = 'Write, say, 3.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.health_check_start_period BETWEEN 0 AND 300) THEN
    RAISE check_violation USING MESSAGE = 'health_check_start_period is not between 0 and 300 seconds', HINT = 'Write, say, 60.', TABLE = 'container_definition';
  END IF;
  IF NOT (num_nonnulls(NEW.image, NEW.repository_name, NEW.public_repository_name) > 0) THEN
    RAISE check_violation USING MESSAGE = 'a container has neither an image nor a repository', HINT = 'Write one of image (such as nginx), repository_name and public_repository_name.', TABLE = 'container_definition';
  END IF;
  IF NOT (num_nonnulls(NEW.image, NEW.repository_name, NEW.public_repository_name) < 2) THEN
    RAISE check_violation USING MESSAGE = 'a container has more than one of image, repository_name and public_repository_name', HINT = 'Write one of them.', TABLE = 'container_definition';
  END IF;
  IF NOT (num_nonnulls(NEW.tag, NEW.digest) < 2) THEN
    RAISE check_violation USING MESSAGE = 'a container has both a tag and a digest of its image', HINT = 'Write one of them: the digest always means the same image, the tag the last one pushed with it.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.container_port IS NOT NULL OR NOT jsonb_path_exists(NEW.other_port_mappings, '$[*].containerPort')) THEN
    RAISE check_violation USING MESSAGE = 'other_port_mappings has a port, and container_port has none', HINT = 'Write the first port in container_port.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.host_port IS NOT DISTINCT FROM NEW.container_port) THEN
    RAISE check_violation USING MESSAGE = 'host_port is not container_port: on Fargate they are the same', HINT = 'Leave host_port out.', TABLE = 'container_definition';
  END IF;
  IF NOT (cardinality(NEW.health_check_command) > 0 OR (NEW.health_check_interval, NEW.health_check_timeout, NEW.health_check_retries, NEW.health_check_start_period) = (30, 5, 3, 0)) THEN
    RAISE check_violation USING MESSAGE = 'a container has the intervals of a health check and no health_check_command', HINT = 'Write it like {CMD-SHELL,curl -f http://localhost/}, or leave them all out.', TABLE = 'container_definition';
  END IF;
  IF NOT (NEW.log_group_name IS NOT NULL OR (NEW.log_stream_prefix = 'ecs' AND NEW.log_options = '{}')) THEN
    RAISE check_violation USING MESSAGE = 'a container has log_stream_prefix or log_options and no log_group_name', HINT = 'Write the log group, too, or leave them out.', TABLE = 'container_definition';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.container_definition_guard() IS 'Holds users'' edits of container_definition to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON container_definition
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.container_definition_guard();
CREATE FUNCTION iasql.container_definition_follow() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $follow$
BEGIN
  UPDATE container_definition SET region = NEW.region WHERE task_definition_id = NEW.id;
  RETURN NULL;
END $follow$;
COMMENT ON FUNCTION iasql.container_definition_follow() IS 'Takes container_definition along to the region of its task_definition.';
CREATE TRIGGER container_definition_follow AFTER UPDATE OF region ON task_definition
  FOR EACH ROW WHEN (OLD.region <> NEW.region) EXECUTE FUNCTION iasql.container_definition_follow();

CREATE TYPE service_assign_public_ip_enum AS ENUM ('DISABLED', 'ENABLED');
COMMENT ON TYPE service_assign_public_ip_enum IS 'Whether tasks get public addresses; without, they need another way out, to pull images.';

CREATE TYPE service_propagate_tags_enum AS ENUM ('NONE', 'SERVICE', 'TASK_DEFINITION');
COMMENT ON TYPE service_propagate_tags_enum IS 'Where the tags of its tasks come from.';

CREATE TYPE service_availability_zone_rebalancing_enum AS ENUM ('DISABLED', 'ENABLED');
COMMENT ON TYPE service_availability_zone_rebalancing_enum IS 'Whether AWS moves tasks to spread them over availability zones; AWS decides, if NULL.';

CREATE TABLE service (
  id serial PRIMARY KEY,
  name text NOT NULL,
  arn text,
  status text,
  desired_count integer NOT NULL,
  subnets text[] NOT NULL,
  assign_public_ip service_assign_public_ip_enum NOT NULL DEFAULT 'DISABLED',
  force_new_deployment boolean NOT NULL DEFAULT false,
  cluster_name text,
  task_definition_id integer REFERENCES task_definition (id),
  target_group_name text,
  container_name text,
  container_port integer,
  health_check_grace_period_seconds integer NOT NULL DEFAULT 0,
  minimum_healthy_percent integer NOT NULL DEFAULT 100,
  maximum_percent integer NOT NULL DEFAULT 200,
  deployment_circuit_breaker boolean NOT NULL DEFAULT false,
  deployment_rollback boolean NOT NULL DEFAULT false,
  enable_execute_command boolean NOT NULL DEFAULT false,
  platform_version text DEFAULT 'LATEST',
  propagate_tags service_propagate_tags_enum DEFAULT 'NONE',
  enable_ecs_managed_tags boolean NOT NULL DEFAULT false,
  availability_zone_rebalancing service_availability_zone_rebalancing_enum,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, name),
  UNIQUE (region, arn) DEFERRABLE,
  FOREIGN KEY (region, cluster_name) REFERENCES cluster (region, cluster_name) ON UPDATE CASCADE,
  FOREIGN KEY (region, target_group_name) REFERENCES target_group (region, target_group_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON service (cluster_name);
CREATE INDEX ON service (task_definition_id);
CREATE INDEX ON service (target_group_name);
COMMENT ON TABLE service IS 'A number of tasks that AWS keeps running on Fargate, and has a load balancer find.';
COMMENT ON COLUMN service.id IS 'The row, for references within the database.';
COMMENT ON COLUMN service.name IS 'Its name, unique within its region.';
COMMENT ON COLUMN service.arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN service.status IS 'Whether AWS has it ready (`ACTIVE`).';
COMMENT ON COLUMN service.desired_count IS 'How many tasks are to run.';
COMMENT ON COLUMN service.subnets IS 'The IDs of the subnets that tasks run in.';
COMMENT ON COLUMN service.assign_public_ip IS 'Whether tasks get public addresses; without, they need another way out, to pull images.';
COMMENT ON COLUMN service.force_new_deployment IS 'Set to true, the next apply starts its tasks anew, and sets it to false again.';
COMMENT ON COLUMN service.cluster_name IS 'The cluster it is in; the one called `default`, if NULL. A change replaces the service.';
COMMENT ON COLUMN service.task_definition_id IS 'What its tasks consist of.';
COMMENT ON COLUMN service.target_group_name IS 'The target group that its tasks are registered with.';
COMMENT ON COLUMN service.container_name IS 'The container that the target group sends requests to; the one with a port, if NULL.';
COMMENT ON COLUMN service.container_port IS 'The port of that container; its container_port, if NULL.';
COMMENT ON COLUMN service.health_check_grace_period_seconds IS 'For how many seconds after its start a task may be unhealthy in its target group.';
COMMENT ON COLUMN service.minimum_healthy_percent IS 'How much of desired_count has to run while tasks are exchanged, in percent.';
COMMENT ON COLUMN service.maximum_percent IS 'How much of desired_count may run while tasks are exchanged, in percent.';
COMMENT ON COLUMN service.deployment_circuit_breaker IS 'Whether a deployment ends as failed when its tasks keep failing.';
COMMENT ON COLUMN service.deployment_rollback IS 'Whether the one before it comes back then.';
COMMENT ON COLUMN service.enable_execute_command IS 'Whether `aws ecs execute-command` works on its tasks.';
COMMENT ON COLUMN service.platform_version IS 'The version of Fargate.';
COMMENT ON COLUMN service.propagate_tags IS 'Where the tags of its tasks come from.';
COMMENT ON COLUMN service.enable_ecs_managed_tags IS 'Whether AWS tags its tasks with the names of cluster and service.';
COMMENT ON COLUMN service.availability_zone_rebalancing IS 'Whether AWS moves tasks to spread them over availability zones; AWS decides, if NULL.';
COMMENT ON COLUMN service.tags IS 'Tags.';
COMMENT ON COLUMN service.region IS 'The region it lives in.';
CREATE FUNCTION iasql.service_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF array_position(NEW.subnets, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'subnets holds a NULL', HINT = 'A new row of subnet has its subnet_id after SELECT iasql_apply(); name it then.', TABLE = 'service';
  END IF;
  IF NEW.assign_public_ip IS NULL THEN NEW.assign_public_ip := 'DISABLED'; END IF;
  IF NEW.force_new_deployment IS NULL THEN NEW.force_new_deployment := false; END IF;
  IF NEW.health_check_grace_period_seconds IS NULL THEN NEW.health_check_grace_period_seconds := 0; END IF;
  IF NEW.minimum_healthy_percent IS NULL THEN NEW.minimum_healthy_percent := 100; END IF;
  IF NEW.maximum_percent IS NULL THEN NEW.maximum_percent := 200; END IF;
  IF NEW.deployment_circuit_breaker IS NULL THEN NEW.deployment_circuit_breaker := false; END IF;
  IF NEW.deployment_rollback IS NULL THEN NEW.deployment_rollback := false; END IF;
  IF NEW.enable_execute_command IS NULL THEN NEW.enable_execute_command := false; END IF;
  IF NEW.platform_version IS NULL THEN NEW.platform_version := 'LATEST'; END IF;
  IF NEW.propagate_tags IS NULL THEN NEW.propagate_tags := 'NONE'; END IF;
  IF NEW.enable_ecs_managed_tags IS NULL THEN NEW.enable_ecs_managed_tags := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.arn IS NULL THEN NEW.arn := OLD.arn;
  ELSIF NEW.arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.arn IS DISTINCT FROM OLD.arn) THEN
    PERFORM iasql.cloud_owned('service', 'arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.status IS NULL THEN NEW.status := OLD.status;
  ELSIF NEW.status IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.status IS DISTINCT FROM OLD.status) THEN
    PERFORM iasql.cloud_owned('service', 'status');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'service';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'service';
  END IF;
  IF NOT (NEW.name ~ '^[A-Za-z0-9_-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'name is no name for a service: 1 to 255 letters, digits, - and _', HINT = 'Write it like web.', TABLE = 'service';
  END IF;
  IF NOT (NEW.desired_count >= 0) THEN
    RAISE check_violation USING MESSAGE = 'desired_count is negative', HINT = 'Write how many tasks are to run; 0 for none.', TABLE = 'service';
  END IF;
  IF NOT (cardinality(NEW.subnets) BETWEEN 1 AND 16) THEN
    RAISE check_violation USING MESSAGE = 'a service needs subnets: from 1 to 16 of them', HINT = 'Write, say, ARRAY(SELECT subnet_id FROM subnet JOIN vpc ON vpc.id = subnet.vpc_id WHERE is_default LIMIT 3).', TABLE = 'service';
  END IF;
  IF NOT (NEW.task_definition_id IS NOT NULL) THEN
    RAISE check_violation USING MESSAGE = 'a service needs a task_definition_id', HINT = 'Write, say, (SELECT id FROM task_definition WHERE family = ''web'' ORDER BY revision DESC LIMIT 1).', TABLE = 'service';
  END IF;
  IF NOT (NEW.platform_version ~ '^(LATEST|[0-9]+[.][0-9]+[.][0-9]+)$') THEN
    RAISE check_violation USING MESSAGE = 'platform_version is no version of Fargate', HINT = 'Write LATEST, or one like 1.4.0.', TABLE = 'service';
  END IF;
  IF NOT (NEW.deployment_circuit_breaker OR NOT NEW.deployment_rollback) THEN
    RAISE check_violation USING MESSAGE = 'deployment_rollback needs deployment_circuit_breaker', HINT = 'Set both to true, or both to false.', TABLE = 'service';
  END IF;
  IF NOT (NEW.target_group_name IS NOT NULL OR (NEW.health_check_grace_period_seconds = 0 AND NEW.container_name IS NULL AND NEW.container_port IS NULL)) THEN
    RAISE check_violation USING MESSAGE = 'container_name, container_port and health_check_grace_period_seconds are for a service with a target group', HINT = 'Write target_group_name, too, or leave them out.', TABLE = 'service';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.service_guard() IS 'Holds users'' edits of service to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON service
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.service_guard();

CREATE TABLE service_security_groups (
  id serial PRIMARY KEY,
  service_name text NOT NULL,
  security_group_id integer NOT NULL REFERENCES security_group (id),
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, service_name, security_group_id),
  FOREIGN KEY (region, service_name) REFERENCES service (region, name) ON UPDATE CASCADE ON DELETE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON service_security_groups (security_group_id);
COMMENT ON TABLE service_security_groups IS 'A security group that the tasks of a service are in.';
COMMENT ON COLUMN service_security_groups.id IS 'The row, for references within the database.';
COMMENT ON COLUMN service_security_groups.service_name IS 'The service that it is part of.';
COMMENT ON COLUMN service_security_groups.security_group_id IS 'The security group.';
COMMENT ON COLUMN service_security_groups.region IS 'The region it lives in.';
CREATE FUNCTION iasql.service_security_groups_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.service_security_groups_guard() IS 'Holds users'' edits of service_security_groups to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON service_security_groups
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.service_security_groups_guard();
