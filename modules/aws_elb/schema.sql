-- Generated from the structs beside this file by `make schema`.

CREATE TYPE load_balancer_scheme_enum AS ENUM ('internal', 'internet-facing');
COMMENT ON TYPE load_balancer_scheme_enum IS 'Whether clients come from the internet or from inside its VPC. A change replaces it.';

CREATE TYPE load_balancer_state_enum AS ENUM ('active', 'active_impaired', 'failed', 'provisioning');
COMMENT ON TYPE load_balancer_state_enum IS 'Whether AWS has it ready.';

CREATE TYPE load_balancer_load_balancer_type_enum AS ENUM ('application', 'gateway', 'network');
COMMENT ON TYPE load_balancer_load_balancer_type_enum IS 'What it understands: HTTP, or TCP, TLS and UDP, or whole packets. A change replaces it.';

CREATE TYPE load_balancer_ip_address_type_enum AS ENUM ('dualstack', 'ipv4');
COMMENT ON TYPE load_balancer_ip_address_type_enum IS 'The kinds of addresses that clients can have.';

CREATE TABLE load_balancer (
  id serial PRIMARY KEY,
  load_balancer_name text NOT NULL,
  load_balancer_arn text,
  dns_name text,
  canonical_hosted_zone_id text,
  created_time timestamptz,
  scheme load_balancer_scheme_enum NOT NULL,
  state load_balancer_state_enum,
  load_balancer_type load_balancer_load_balancer_type_enum NOT NULL,
  subnets text[],
  availability_zones text[],
  ip_address_type load_balancer_ip_address_type_enum NOT NULL,
  customer_owned_ipv4_pool text,
  vpc integer REFERENCES vpc (id),
  deletion_protection boolean NOT NULL DEFAULT false,
  idle_timeout_seconds integer,
  client_keep_alive_seconds integer,
  http2 boolean,
  cross_zone boolean,
  drop_invalid_header_fields boolean,
  preserve_host_header boolean,
  desync_mitigation_mode text,
  xff_header_processing_mode text,
  access_logs_bucket text,
  access_logs_prefix text,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, load_balancer_name),
  UNIQUE (region, load_balancer_arn) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON load_balancer (vpc);
COMMENT ON TABLE load_balancer IS 'One address for clients, behind which the targets of target groups take turns.';
COMMENT ON COLUMN load_balancer.id IS 'The row, for references within the database.';
COMMENT ON COLUMN load_balancer.load_balancer_name IS 'Its name, unique within its region.';
COMMENT ON COLUMN load_balancer.load_balancer_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN load_balancer.dns_name IS 'The name that clients find it by.';
COMMENT ON COLUMN load_balancer.canonical_hosted_zone_id IS 'The zone of Route 53 that the name is in.';
COMMENT ON COLUMN load_balancer.created_time IS 'When it was made.';
COMMENT ON COLUMN load_balancer.scheme IS 'Whether clients come from the internet or from inside its VPC. A change replaces it.';
COMMENT ON COLUMN load_balancer.state IS 'Whether AWS has it ready.';
COMMENT ON COLUMN load_balancer.load_balancer_type IS 'What it understands: HTTP, or TCP, TLS and UDP, or whole packets. A change replaces it.';
COMMENT ON COLUMN load_balancer.subnets IS 'The IDs of the subnets it is in, one to a zone; if NULL, one in each zone of its VPC.';
COMMENT ON COLUMN load_balancer.availability_zones IS 'The zones of its subnets.';
COMMENT ON COLUMN load_balancer.ip_address_type IS 'The kinds of addresses that clients can have.';
COMMENT ON COLUMN load_balancer.customer_owned_ipv4_pool IS 'The pool of your own addresses that it has one of, on an Outpost. A change replaces it.';
COMMENT ON COLUMN load_balancer.vpc IS 'The VPC it is in: that of its subnets, or the region''s default VPC, if NULL. A change replaces it.';
COMMENT ON COLUMN load_balancer.deletion_protection IS 'Whether AWS refuses to delete it.';
COMMENT ON COLUMN load_balancer.idle_timeout_seconds IS 'How long a connection may be silent, in seconds; 60 unless said. For type application.';
COMMENT ON COLUMN load_balancer.client_keep_alive_seconds IS 'How long a client may keep its connection, in seconds; 3600 unless said. For type application.';
COMMENT ON COLUMN load_balancer.http2 IS 'Whether clients may speak HTTP/2. For type application.';
COMMENT ON COLUMN load_balancer.cross_zone IS 'Whether targets in all zones take turns. Always so for type application.';
COMMENT ON COLUMN load_balancer.drop_invalid_header_fields IS 'Whether headers that HTTP does not allow are left out. For type application.';
COMMENT ON COLUMN load_balancer.preserve_host_header IS 'Whether targets get the Host header as the client wrote it. For type application.';
COMMENT ON COLUMN load_balancer.desync_mitigation_mode IS 'What is done about requests that smuggle another: monitor, defensive or strictest. For type application.';
COMMENT ON COLUMN load_balancer.xff_header_processing_mode IS 'What is done with the X-Forwarded-For header: append, preserve or remove. For type application.';
COMMENT ON COLUMN load_balancer.access_logs_bucket IS 'The S3 bucket that requests are logged to; they are not, if NULL.';
COMMENT ON COLUMN load_balancer.access_logs_prefix IS 'What the names of those logs begin with.';
COMMENT ON COLUMN load_balancer.tags IS 'Tags.';
COMMENT ON COLUMN load_balancer.region IS 'The region it lives in.';
CREATE FUNCTION iasql.load_balancer_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF array_position(NEW.subnets, NULL) IS NOT NULL THEN
    RAISE check_violation USING MESSAGE = 'subnets holds a NULL', HINT = 'A new row of subnet has its subnet_id after SELECT iasql_apply(); name it then.', TABLE = 'load_balancer';
  END IF;
  IF NEW.deletion_protection IS NULL THEN NEW.deletion_protection := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.load_balancer_arn IS NULL THEN NEW.load_balancer_arn := OLD.load_balancer_arn;
  ELSIF NEW.load_balancer_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.load_balancer_arn IS DISTINCT FROM OLD.load_balancer_arn) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'load_balancer_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.dns_name IS NULL THEN NEW.dns_name := OLD.dns_name;
  ELSIF NEW.dns_name IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.dns_name IS DISTINCT FROM OLD.dns_name) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'dns_name');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.canonical_hosted_zone_id IS NULL THEN NEW.canonical_hosted_zone_id := OLD.canonical_hosted_zone_id;
  ELSIF NEW.canonical_hosted_zone_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.canonical_hosted_zone_id IS DISTINCT FROM OLD.canonical_hosted_zone_id) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'canonical_hosted_zone_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.created_time IS NULL THEN NEW.created_time := OLD.created_time;
  ELSIF NEW.created_time IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.created_time IS DISTINCT FROM OLD.created_time) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'created_time');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.state IS NULL THEN NEW.state := OLD.state;
  ELSIF NEW.state IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.state IS DISTINCT FROM OLD.state) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'state');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.availability_zones IS NULL THEN NEW.availability_zones := OLD.availability_zones;
  ELSIF NEW.availability_zones IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.availability_zones IS DISTINCT FROM OLD.availability_zones) THEN
    PERFORM iasql.cloud_owned('load_balancer', 'availability_zones');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'load_balancer';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.load_balancer_name ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$') THEN
    RAISE check_violation USING MESSAGE = 'load_balancer_name is no name for a load balancer: 1 to 32 letters, digits and hyphens, no hyphen first or last', HINT = 'Write it like web or web-load-balancer.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.load_balancer_name NOT LIKE 'internal-%') THEN
    RAISE check_violation USING MESSAGE = 'load_balancer_name begins with internal-, which AWS keeps to itself', HINT = 'Write another name, such as web-internal.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.scheme = 'internal' OR NEW.load_balancer_type <> 'gateway') THEN
    RAISE check_violation USING MESSAGE = 'scheme of a gateway load balancer is not internal: none stands in the internet', HINT = 'Write internal.', TABLE = 'load_balancer';
  END IF;
  IF NOT (cardinality(NEW.subnets) >= CASE NEW.load_balancer_type WHEN 'application' THEN 2 ELSE 1 END) THEN
    RAISE check_violation USING MESSAGE = 'subnets are too few: an application load balancer takes two or more in different zones, others one or more', HINT = 'Name more of them, or leave subnets NULL for one in each zone of the VPC.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.idle_timeout_seconds BETWEEN 1 AND 4000) THEN
    RAISE check_violation USING MESSAGE = 'idle_timeout_seconds is not from 1 to 4000', HINT = 'Write, say, 60.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.client_keep_alive_seconds BETWEEN 60 AND 604800) THEN
    RAISE check_violation USING MESSAGE = 'client_keep_alive_seconds is not from 60 to 604800, a week', HINT = 'Write, say, 3600.', TABLE = 'load_balancer';
  END IF;
  IF NOT (NEW.access_logs_prefix IS NULL OR NEW.access_logs_bucket IS NOT NULL) THEN
    RAISE check_violation USING MESSAGE = 'access_logs_prefix is set without access_logs_bucket', HINT = 'Name the bucket that the logs go to, or leave the prefix out.', TABLE = 'load_balancer';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.load_balancer_guard() IS 'Holds users'' edits of load_balancer to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON load_balancer
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.load_balancer_guard();

CREATE TABLE load_balancer_security_groups (
  id serial PRIMARY KEY,
  load_balancer_name text NOT NULL,
  security_group_id integer NOT NULL REFERENCES security_group (id),
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, load_balancer_name, security_group_id),
  FOREIGN KEY (region, load_balancer_name) REFERENCES load_balancer (region, load_balancer_name) ON UPDATE CASCADE ON DELETE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON load_balancer_security_groups (security_group_id);
COMMENT ON TABLE load_balancer_security_groups IS 'A security group that a load balancer is in: it decides what reaches the load balancer.';
COMMENT ON COLUMN load_balancer_security_groups.id IS 'The row, for references within the database.';
COMMENT ON COLUMN load_balancer_security_groups.load_balancer_name IS 'The load_balancer that it is part of.';
COMMENT ON COLUMN load_balancer_security_groups.security_group_id IS 'The group.';
COMMENT ON COLUMN load_balancer_security_groups.region IS 'The region it lives in.';
CREATE FUNCTION iasql.load_balancer_security_groups_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.load_balancer_security_groups_guard() IS 'Holds users'' edits of load_balancer_security_groups to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON load_balancer_security_groups
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.load_balancer_security_groups_guard();

CREATE TYPE target_group_target_type_enum AS ENUM ('alb', 'instance', 'ip', 'lambda');
COMMENT ON TYPE target_group_target_type_enum IS 'What its targets are. A change replaces the group.';

CREATE TYPE target_group_ip_address_type_enum AS ENUM ('ipv4', 'ipv6');
COMMENT ON TYPE target_group_ip_address_type_enum IS 'The kind of addresses of its targets; ipv4 if NULL. A change replaces the group.';

CREATE TYPE target_group_protocol_enum AS ENUM ('GENEVE', 'HTTP', 'HTTPS', 'TCP', 'TCP_UDP', 'TLS', 'UDP');
COMMENT ON TYPE target_group_protocol_enum IS 'How targets are spoken to. A change replaces the group.';

CREATE TYPE target_group_protocol_version_enum AS ENUM ('GRPC', 'HTTP1', 'HTTP2');
COMMENT ON TYPE target_group_protocol_version_enum IS 'The version of HTTP that targets are spoken to in; HTTP1 if NULL. A change replaces the group.';

CREATE TYPE target_group_health_check_protocol_enum AS ENUM ('GENEVE', 'HTTP', 'HTTPS', 'TCP', 'TCP_UDP', 'TLS', 'UDP');
COMMENT ON TYPE target_group_health_check_protocol_enum IS 'How the health of targets is asked for; AWS decides if NULL, as it does for the columns below.';

CREATE TABLE target_group (
  id serial PRIMARY KEY,
  target_group_name text NOT NULL,
  target_type target_group_target_type_enum NOT NULL,
  target_group_arn text,
  ip_address_type target_group_ip_address_type_enum,
  protocol target_group_protocol_enum,
  port integer,
  protocol_version target_group_protocol_version_enum,
  vpc integer REFERENCES vpc (id),
  health_check_protocol target_group_health_check_protocol_enum,
  health_check_port text,
  health_check_enabled boolean,
  health_check_interval_seconds integer,
  health_check_timeout_seconds integer,
  healthy_threshold_count integer,
  unhealthy_threshold_count integer,
  health_check_path text,
  health_check_codes text,
  deregistration_delay_seconds integer,
  slow_start_seconds integer,
  load_balancing_algorithm_type text,
  stickiness_enabled boolean,
  stickiness_type text,
  stickiness_duration_seconds integer,
  stickiness_cookie_name text,
  cross_zone text,
  preserve_client_ip boolean,
  proxy_protocol_v2 boolean,
  lambda_multi_value_headers boolean,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, target_group_name),
  UNIQUE (region, target_group_arn) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON target_group (vpc);
COMMENT ON TABLE target_group IS 'Targets that take turns in answering, and how their health is looked after.';
COMMENT ON COLUMN target_group.id IS 'The row, for references within the database.';
COMMENT ON COLUMN target_group.target_group_name IS 'Its name, unique within its region.';
COMMENT ON COLUMN target_group.target_type IS 'What its targets are. A change replaces the group.';
COMMENT ON COLUMN target_group.target_group_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN target_group.ip_address_type IS 'The kind of addresses of its targets; ipv4 if NULL. A change replaces the group.';
COMMENT ON COLUMN target_group.protocol IS 'How targets are spoken to. A change replaces the group.';
COMMENT ON COLUMN target_group.port IS 'The port that targets listen on. A change replaces the group.';
COMMENT ON COLUMN target_group.protocol_version IS 'The version of HTTP that targets are spoken to in; HTTP1 if NULL. A change replaces the group.';
COMMENT ON COLUMN target_group.vpc IS 'The VPC of its targets; the region''s default VPC if NULL. A change replaces the group.';
COMMENT ON COLUMN target_group.health_check_protocol IS 'How the health of targets is asked for; AWS decides if NULL, as it does for the columns below.';
COMMENT ON COLUMN target_group.health_check_port IS 'The port that health is asked for on: a number, or traffic-port for the one of the target.';
COMMENT ON COLUMN target_group.health_check_enabled IS 'Whether health is looked after.';
COMMENT ON COLUMN target_group.health_check_interval_seconds IS 'How often a target is asked, in seconds.';
COMMENT ON COLUMN target_group.health_check_timeout_seconds IS 'How long a target may take to answer, in seconds.';
COMMENT ON COLUMN target_group.healthy_threshold_count IS 'How often in a row a target has to answer well to be healthy.';
COMMENT ON COLUMN target_group.unhealthy_threshold_count IS 'How often in a row a target has to answer badly, or not at all, to be unhealthy.';
COMMENT ON COLUMN target_group.health_check_path IS 'The path that health is asked for at.';
COMMENT ON COLUMN target_group.health_check_codes IS 'The codes of good answers, of HTTP or of gRPC, as in 200,202 or 200-299.';
COMMENT ON COLUMN target_group.deregistration_delay_seconds IS 'How long a target that leaves may finish what it is at, in seconds.';
COMMENT ON COLUMN target_group.slow_start_seconds IS 'How long a new target is given less to do, in seconds; 0 for not at all.';
COMMENT ON COLUMN target_group.load_balancing_algorithm_type IS 'How targets take turns: round_robin, least_outstanding_requests or weighted_random.';
COMMENT ON COLUMN target_group.stickiness_enabled IS 'Whether a client is sent to the same target each time.';
COMMENT ON COLUMN target_group.stickiness_type IS 'What a client is known by: lb_cookie, app_cookie, source_ip, source_ip_dest_ip or source_ip_dest_ip_proto.';
COMMENT ON COLUMN target_group.stickiness_duration_seconds IS 'How long a client is sent to the same target, in seconds, when known by a cookie.';
COMMENT ON COLUMN target_group.stickiness_cookie_name IS 'The cookie that a client is known by when stickiness_type is app_cookie.';
COMMENT ON COLUMN target_group.cross_zone IS 'Whether targets of all zones take turns: true, false or use_load_balancer_configuration.';
COMMENT ON COLUMN target_group.preserve_client_ip IS 'Whether targets see the addresses of clients; for TCP, TLS and UDP.';
COMMENT ON COLUMN target_group.proxy_protocol_v2 IS 'Whether targets are told of clients by the proxy protocol; for TCP, TLS and UDP.';
COMMENT ON COLUMN target_group.lambda_multi_value_headers IS 'Whether a function gets and gives lists of values for headers; for target_type lambda.';
COMMENT ON COLUMN target_group.tags IS 'Tags.';
COMMENT ON COLUMN target_group.region IS 'The region it lives in.';
CREATE FUNCTION iasql.target_group_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.target_group_arn IS NULL THEN NEW.target_group_arn := OLD.target_group_arn;
  ELSIF NEW.target_group_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.target_group_arn IS DISTINCT FROM OLD.target_group_arn) THEN
    PERFORM iasql.cloud_owned('target_group', 'target_group_arn');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'target_group';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.target_group_name ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$') THEN
    RAISE check_violation USING MESSAGE = 'target_group_name is no name for a target group: 1 to 32 letters, digits and hyphens, no hyphen first or last', HINT = 'Write it like web or web-target.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.port BETWEEN 1 AND 65535) THEN
    RAISE check_violation USING MESSAGE = 'port of a target group is not from 1 to 65535', HINT = 'Write the port that the targets listen on, such as 80.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.health_check_port ~ '^(traffic-port|[1-9][0-9]{0,4})$') THEN
    RAISE check_violation USING MESSAGE = 'health_check_port is neither a port nor traffic-port', HINT = 'Write a number such as 8080, or traffic-port.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.health_check_interval_seconds BETWEEN 5 AND 300) THEN
    RAISE check_violation USING MESSAGE = 'health_check_interval_seconds is not from 5 to 300', HINT = 'Write, say, 30.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.health_check_timeout_seconds BETWEEN 2 AND 120) THEN
    RAISE check_violation USING MESSAGE = 'health_check_timeout_seconds is not from 2 to 120', HINT = 'Write, say, 5.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.healthy_threshold_count BETWEEN 2 AND 10) THEN
    RAISE check_violation USING MESSAGE = 'healthy_threshold_count is not from 2 to 10', HINT = 'Write, say, 5.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.unhealthy_threshold_count BETWEEN 2 AND 10) THEN
    RAISE check_violation USING MESSAGE = 'unhealthy_threshold_count is not from 2 to 10', HINT = 'Write, say, 2.', TABLE = 'target_group';
  END IF;
  IF NOT (starts_with(NEW.health_check_path, '/') AND length(NEW.health_check_path) <= 1024) THEN
    RAISE check_violation USING MESSAGE = 'health_check_path is no path: it begins with / and has at most 1024 characters', HINT = 'Write it like /health.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.health_check_codes ~ '^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$') THEN
    RAISE check_violation USING MESSAGE = 'health_check_codes are no codes of answers', HINT = 'Write them like 200, 200,202 or 200-299.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.deregistration_delay_seconds BETWEEN 0 AND 3600) THEN
    RAISE check_violation USING MESSAGE = 'deregistration_delay_seconds is not from 0 to 3600', HINT = 'Write, say, 300.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.slow_start_seconds = 0 OR NEW.slow_start_seconds BETWEEN 30 AND 900) THEN
    RAISE check_violation USING MESSAGE = 'slow_start_seconds is neither 0 nor from 30 to 900', HINT = 'Write, say, 30, or 0 for none.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.stickiness_duration_seconds BETWEEN 1 AND 604800) THEN
    RAISE check_violation USING MESSAGE = 'stickiness_duration_seconds is not from 1 to 604800, a week', HINT = 'Write, say, 86400 for a day.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.target_type = 'lambda' OR (NEW.protocol IS NOT NULL AND NEW.port IS NOT NULL)) THEN
    RAISE check_violation USING MESSAGE = 'a target group needs a protocol and a port, unless its target_type is lambda', HINT = 'Write, say, protocol HTTP and port 80.', TABLE = 'target_group';
  END IF;
  IF NOT (NEW.target_type <> 'lambda' OR (NEW.protocol IS NULL AND NEW.port IS NULL AND NEW.vpc IS NULL)) THEN
    RAISE check_violation USING MESSAGE = 'a target group of target_type lambda has no protocol, port or vpc', HINT = 'Leave them out.', TABLE = 'target_group';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.target_group_guard() IS 'Holds users'' edits of target_group to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON target_group
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.target_group_guard();

CREATE TYPE listener_protocol_enum AS ENUM ('GENEVE', 'HTTP', 'HTTPS', 'TCP', 'TCP_UDP', 'TLS', 'UDP');
COMMENT ON TYPE listener_protocol_enum IS 'How clients speak: HTTP or HTTPS to an application load balancer, the others to a network one.';

CREATE TYPE listener_action_type_enum AS ENUM ('forward');
COMMENT ON TYPE listener_action_type_enum IS 'What is done with what comes in.';

CREATE TABLE listener (
  id serial PRIMARY KEY,
  load_balancer_name text NOT NULL,
  port integer NOT NULL,
  listener_arn text,
  protocol listener_protocol_enum NOT NULL,
  action_type listener_action_type_enum NOT NULL DEFAULT 'forward',
  target_group_name text,
  ssl_policy text,
  certificate_arn text,
  replace_anyway boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, load_balancer_name, port),
  UNIQUE (region, listener_arn) DEFERRABLE,
  FOREIGN KEY (region, load_balancer_name) REFERENCES load_balancer (region, load_balancer_name) ON UPDATE CASCADE,
  FOREIGN KEY (region, target_group_name) REFERENCES target_group (region, target_group_name) ON UPDATE CASCADE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON listener (load_balancer_name);
CREATE INDEX ON listener (target_group_name);
COMMENT ON TABLE listener IS 'A port of a load balancer, and the target group that what comes in there is sent to.';
COMMENT ON COLUMN listener.id IS 'The row, for references within the database.';
COMMENT ON COLUMN listener.load_balancer_name IS 'The load balancer that listens. A change replaces the listener.';
COMMENT ON COLUMN listener.port IS 'The port. A change replaces the listener.';
COMMENT ON COLUMN listener.listener_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN listener.protocol IS 'How clients speak: HTTP or HTTPS to an application load balancer, the others to a network one.';
COMMENT ON COLUMN listener.action_type IS 'What is done with what comes in.';
COMMENT ON COLUMN listener.target_group_name IS 'The target group that it is sent to.';
COMMENT ON COLUMN listener.ssl_policy IS 'What encryption clients may use; AWS decides if NULL.';
COMMENT ON COLUMN listener.certificate_arn IS 'The ARN of the certificate that clients are shown by default.';
COMMENT ON COLUMN listener.replace_anyway IS 'Lets the listener be made anew although that loses its rules and further certificates. For the next apply.';
COMMENT ON COLUMN listener.tags IS 'Tags.';
COMMENT ON COLUMN listener.region IS 'The region it lives in.';
CREATE FUNCTION iasql.listener_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.action_type IS NULL THEN NEW.action_type := 'forward'; END IF;
  IF NEW.replace_anyway IS NULL THEN NEW.replace_anyway := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.listener_arn IS NULL THEN NEW.listener_arn := OLD.listener_arn;
  ELSIF NEW.listener_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.listener_arn IS DISTINCT FROM OLD.listener_arn) THEN
    PERFORM iasql.cloud_owned('listener', 'listener_arn');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'listener';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'listener';
  END IF;
  IF NOT (NEW.port BETWEEN 1 AND 65535) THEN
    RAISE check_violation USING MESSAGE = 'port of a listener is not from 1 to 65535', HINT = 'Write the port that clients connect to, such as 80.', TABLE = 'listener';
  END IF;
  IF NOT (NEW.target_group_name IS NOT NULL) THEN
    RAISE check_violation USING MESSAGE = 'a listener without target_group_name has nowhere to send what comes in', HINT = 'Write the name of a target group.', TABLE = 'listener';
  END IF;
  IF NOT (NEW.certificate_arn ~ '^arn:[a-z-]+:(acm|iam):.+') THEN
    RAISE check_violation USING MESSAGE = 'certificate_arn is not the ARN of a certificate of ACM or IAM', HINT = 'Write it like arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab.', TABLE = 'listener';
  END IF;
  IF NOT ((NEW.protocol IN ('HTTPS', 'TLS')) = (NEW.certificate_arn IS NOT NULL)) THEN
    RAISE check_violation USING MESSAGE = 'a listener has a certificate_arn if its protocol is HTTPS or TLS, and else none', HINT = 'Set both together: protocol HTTPS and the ARN of a certificate, or protocol HTTP and NULL.', TABLE = 'listener';
  END IF;
  IF NOT (NEW.ssl_policy IS NULL OR NEW.protocol IN ('HTTPS', 'TLS')) THEN
    RAISE check_violation USING MESSAGE = 'a listener has an ssl_policy only if its protocol is HTTPS or TLS', HINT = 'Set ssl_policy to NULL.', TABLE = 'listener';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.listener_guard() IS 'Holds users'' edits of listener to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON listener
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.listener_guard();
