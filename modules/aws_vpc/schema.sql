-- Generated from the structs beside this file by `make schema`.

CREATE TYPE vpc_state_enum AS ENUM ('available', 'pending', 'deleting');
COMMENT ON TYPE vpc_state_enum IS 'Whether AWS has it ready.';

CREATE TYPE vpc_instance_tenancy_enum AS ENUM ('default', 'dedicated');
COMMENT ON TYPE vpc_instance_tenancy_enum IS 'Whether instances run on hardware of their own (`dedicated`). A change replaces the VPC.';

CREATE TABLE vpc (
  id serial PRIMARY KEY,
  vpc_id text,
  cidr_block address_range NOT NULL,
  state vpc_state_enum,
  is_default boolean NOT NULL DEFAULT false,
  instance_tenancy vpc_instance_tenancy_enum DEFAULT 'default',
  enable_dns_support boolean NOT NULL DEFAULT true,
  enable_dns_hostnames boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, vpc_id) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
COMMENT ON TABLE vpc IS 'A virtual private cloud: a network of the account''s own.';
COMMENT ON COLUMN vpc.id IS 'The row, for references within the database.';
COMMENT ON COLUMN vpc.vpc_id IS 'ID, given by AWS.';
COMMENT ON COLUMN vpc.cidr_block IS 'The range of its addresses, of 16 to 65,536. A change replaces the VPC and what is in it.';
COMMENT ON COLUMN vpc.state IS 'Whether AWS has it ready.';
COMMENT ON COLUMN vpc.is_default IS 'Whether it is the one that AWS made for the region.';
COMMENT ON COLUMN vpc.instance_tenancy IS 'Whether instances run on hardware of their own (`dedicated`). A change replaces the VPC.';
COMMENT ON COLUMN vpc.enable_dns_support IS 'Whether AWS''s DNS server answers in it.';
COMMENT ON COLUMN vpc.enable_dns_hostnames IS 'Whether instances with public addresses get public DNS names.';
COMMENT ON COLUMN vpc.tags IS 'Tags.';
COMMENT ON COLUMN vpc.region IS 'The region it lives in.';
CREATE FUNCTION iasql.vpc_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  NEW.cidr_block := NEW.cidr_block::cidr::text;
  IF NEW.instance_tenancy IS NULL THEN NEW.instance_tenancy := 'default'; END IF;
  IF NEW.enable_dns_support IS NULL THEN NEW.enable_dns_support := true; END IF;
  IF NEW.enable_dns_hostnames IS NULL THEN NEW.enable_dns_hostnames := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.vpc_id IS NULL THEN NEW.vpc_id := OLD.vpc_id;
  ELSIF NEW.vpc_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.vpc_id IS DISTINCT FROM OLD.vpc_id) THEN
    PERFORM iasql.cloud_owned('vpc', 'vpc_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.state IS NULL THEN NEW.state := OLD.state;
  ELSIF NEW.state IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.state IS DISTINCT FROM OLD.state) THEN
    PERFORM iasql.cloud_owned('vpc', 'state');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.is_default IS NULL THEN NEW.is_default := OLD.is_default;
  ELSIF NEW.is_default IS NULL OR (TG_OP = 'INSERT' AND NEW.is_default = false) THEN NEW.is_default := false;
  ELSIF NEW.is_default IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.is_default IS DISTINCT FROM OLD.is_default) THEN
    PERFORM iasql.cloud_owned('vpc', 'is_default');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'vpc';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'vpc';
  END IF;
  IF NOT (family(NEW.cidr_block::text::inet) = 4 AND masklen(NEW.cidr_block::text::inet) BETWEEN 16 AND 28) THEN
    RAISE check_violation USING MESSAGE = 'cidr_block is no range for a VPC: AWS takes IPv4 ranges from /16 to /28', HINT = 'Write it like 10.0.0.0/16.', TABLE = 'vpc';
  END IF;
  IF NOT (NEW.enable_dns_support OR NOT NEW.enable_dns_hostnames) THEN
    RAISE check_violation USING MESSAGE = 'enable_dns_hostnames needs enable_dns_support', HINT = 'Set both to true, or both to false.', TABLE = 'vpc';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.vpc_guard() IS 'Holds users'' edits of vpc to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON vpc
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.vpc_guard();

CREATE TYPE subnet_state_enum AS ENUM ('available', 'pending', 'unavailable', 'failed', 'failed-insufficient-capacity');
COMMENT ON TYPE subnet_state_enum IS 'Whether AWS has it ready.';

CREATE TABLE subnet (
  id serial PRIMARY KEY,
  vpc_id integer NOT NULL REFERENCES vpc (id),
  cidr_block address_range NOT NULL,
  availability_zone text,
  subnet_id text,
  subnet_arn text,
  state subnet_state_enum,
  available_ip_address_count integer,
  owner_id text,
  default_for_az boolean NOT NULL DEFAULT false,
  map_public_ip_on_launch boolean NOT NULL DEFAULT false,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE (region, vpc_id, cidr_block),
  UNIQUE (region, subnet_id) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON subnet (vpc_id);
COMMENT ON TABLE subnet IS 'A range of a VPC''s addresses in one availability zone.';
COMMENT ON COLUMN subnet.id IS 'The row, for references within the database.';
COMMENT ON COLUMN subnet.vpc_id IS 'The VPC it is part of.';
COMMENT ON COLUMN subnet.cidr_block IS 'The range of its addresses, of 16 to 65,536, within the VPC''s. A change replaces the subnet.';
COMMENT ON COLUMN subnet.availability_zone IS 'The zone it is in; AWS chooses one if NULL. A change replaces the subnet.';
COMMENT ON COLUMN subnet.subnet_id IS 'ID, given by AWS.';
COMMENT ON COLUMN subnet.subnet_arn IS 'ARN, given by AWS.';
COMMENT ON COLUMN subnet.state IS 'Whether AWS has it ready.';
COMMENT ON COLUMN subnet.available_ip_address_count IS 'How many of its addresses are free.';
COMMENT ON COLUMN subnet.owner_id IS 'The account that owns it.';
COMMENT ON COLUMN subnet.default_for_az IS 'Whether it is the one that AWS made for the zone.';
COMMENT ON COLUMN subnet.map_public_ip_on_launch IS 'Whether network interfaces in it get a public address.';
COMMENT ON COLUMN subnet.tags IS 'Tags.';
COMMENT ON COLUMN subnet.region IS 'The region it lives in.';
CREATE FUNCTION iasql.subnet_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  NEW.cidr_block := NEW.cidr_block::cidr::text;
  IF NEW.map_public_ip_on_launch IS NULL THEN NEW.map_public_ip_on_launch := false; END IF;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.subnet_id IS NULL THEN NEW.subnet_id := OLD.subnet_id;
  ELSIF NEW.subnet_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.subnet_id IS DISTINCT FROM OLD.subnet_id) THEN
    PERFORM iasql.cloud_owned('subnet', 'subnet_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.subnet_arn IS NULL THEN NEW.subnet_arn := OLD.subnet_arn;
  ELSIF NEW.subnet_arn IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.subnet_arn IS DISTINCT FROM OLD.subnet_arn) THEN
    PERFORM iasql.cloud_owned('subnet', 'subnet_arn');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.state IS NULL THEN NEW.state := OLD.state;
  ELSIF NEW.state IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.state IS DISTINCT FROM OLD.state) THEN
    PERFORM iasql.cloud_owned('subnet', 'state');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.available_ip_address_count IS NULL THEN NEW.available_ip_address_count := OLD.available_ip_address_count;
  ELSIF NEW.available_ip_address_count IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.available_ip_address_count IS DISTINCT FROM OLD.available_ip_address_count) THEN
    PERFORM iasql.cloud_owned('subnet', 'available_ip_address_count');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.owner_id IS NULL THEN NEW.owner_id := OLD.owner_id;
  ELSIF NEW.owner_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.owner_id IS DISTINCT FROM OLD.owner_id) THEN
    PERFORM iasql.cloud_owned('subnet', 'owner_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.default_for_az IS NULL THEN NEW.default_for_az := OLD.default_for_az;
  ELSIF NEW.default_for_az IS NULL OR (TG_OP = 'INSERT' AND NEW.default_for_az = false) THEN NEW.default_for_az := false;
  ELSIF NEW.default_for_az IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.default_for_az IS DISTINCT FROM OLD.default_for_az) THEN
    PERFORM iasql.cloud_owned('subnet', 'default_for_az');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'subnet';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'subnet';
  END IF;
  IF NOT (family(NEW.cidr_block::text::inet) = 4 AND masklen(NEW.cidr_block::text::inet) BETWEEN 16 AND 28) THEN
    RAISE check_violation USING MESSAGE = 'cidr_block is no range for a subnet: AWS takes IPv4 ranges from /16 to /28', HINT = 'Write it like 10.0.1.0/24, within the range of the VPC.', TABLE = 'subnet';
  END IF;
  IF NOT (starts_with(NEW.availability_zone, NEW.region)) THEN
    RAISE check_violation USING MESSAGE = 'availability_zone is in another region than the subnet', HINT = 'Write the name of the region and a letter, as in us-east-1a for us-east-1, or set region, too.', TABLE = 'subnet';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.subnet_guard() IS 'Holds users'' edits of subnet to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON subnet
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.subnet_guard();
