-- Generated from the structs beside this file by `make schema`.

CREATE TABLE security_group (
  id serial PRIMARY KEY,
  vpc_id integer REFERENCES vpc (id),
  group_name text NOT NULL,
  description text,
  group_id text,
  owner_id text,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE NULLS NOT DISTINCT (region, vpc_id, group_name),
  UNIQUE (region, group_id) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON security_group (vpc_id);
COMMENT ON TABLE security_group IS 'A security group: what is in it lets through the traffic that its rules name, and no other.

AWS gives a new group a rule that lets all traffic out; apply removes it unless security_group_rule has it, too. The group `default` comes with each VPC.';
COMMENT ON COLUMN security_group.id IS 'The row, for references within the database.';
COMMENT ON COLUMN security_group.vpc_id IS 'The VPC it is for; the region''s default VPC if NULL. A change replaces the group.';
COMMENT ON COLUMN security_group.group_name IS 'Its name, unique within the VPC. A change replaces the group.';
COMMENT ON COLUMN security_group.description IS 'What it is for; its name, if NULL. A change replaces the group.';
COMMENT ON COLUMN security_group.group_id IS 'ID, given by AWS.';
COMMENT ON COLUMN security_group.owner_id IS 'The account that owns it.';
COMMENT ON COLUMN security_group.tags IS 'Tags.';
COMMENT ON COLUMN security_group.region IS 'The region it lives in.';
CREATE FUNCTION iasql.security_group_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.group_id IS NULL THEN NEW.group_id := OLD.group_id;
  ELSIF NEW.group_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.group_id IS DISTINCT FROM OLD.group_id) THEN
    PERFORM iasql.cloud_owned('security_group', 'group_id');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.owner_id IS NULL THEN NEW.owner_id := OLD.owner_id;
  ELSIF NEW.owner_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.owner_id IS DISTINCT FROM OLD.owner_id) THEN
    PERFORM iasql.cloud_owned('security_group', 'owner_id');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'security_group';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'security_group';
  END IF;
  IF NOT (NEW.group_id IS NOT NULL OR NEW.group_name NOT ILIKE 'sg-%') THEN
    RAISE check_violation USING MESSAGE = 'group_name begins with sg-, which AWS keeps to the IDs of groups', HINT = 'Write another name, such as web.', TABLE = 'security_group';
  END IF;
  IF NOT (lower(NEW.group_name) <> 'default' OR NEW.group_name = 'default') THEN
    RAISE check_violation USING MESSAGE = 'group_name is another spelling of default, the name of the group that AWS makes with each VPC', HINT = 'Write default to take over that group, or another name to make one.', TABLE = 'security_group';
  END IF;
  IF NOT (NEW.group_name ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\]-]{1,255}$' AND NEW.group_name = trim(NEW.group_name)) THEN
    RAISE check_violation USING MESSAGE = 'group_name is no name for a security group: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*, no space first or last', HINT = 'Write it like web or web (internal).', TABLE = 'security_group';
  END IF;
  IF NOT (NEW.group_id IS NOT NULL OR NEW.description ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\]-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'description is not one AWS takes: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*', HINT = 'Leave the other characters out, or leave the column out: the name stands in for it.', TABLE = 'security_group';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.security_group_guard() IS 'Holds users'' edits of security_group to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON security_group
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.security_group_guard();

CREATE TABLE security_group_rule (
  id serial PRIMARY KEY,
  security_group_id integer NOT NULL REFERENCES security_group (id),
  is_egress boolean NOT NULL,
  ip_protocol text NOT NULL,
  from_port integer,
  to_port integer,
  cidr_ipv4 address_range,
  cidr_ipv6 address_range,
  prefix_list_id text,
  source_security_group integer REFERENCES security_group (id),
  description text,
  security_group_rule_id text,
  tags jsonb NOT NULL DEFAULT '{}',
  region text NOT NULL DEFAULT default_aws_region(),
  UNIQUE NULLS NOT DISTINCT (region, security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4, cidr_ipv6, prefix_list_id, source_security_group),
  UNIQUE (region, security_group_rule_id) DEFERRABLE,
  FOREIGN KEY (region) REFERENCES aws_regions (region)
);
CREATE INDEX ON security_group_rule (security_group_id);
CREATE INDEX ON security_group_rule (source_security_group);
COMMENT ON TABLE security_group_rule IS 'A rule of a security group: traffic that is let through.';
COMMENT ON COLUMN security_group_rule.id IS 'The row, for references within the database.';
COMMENT ON COLUMN security_group_rule.security_group_id IS 'The group that the rule belongs to.';
COMMENT ON COLUMN security_group_rule.is_egress IS 'Whether it is for traffic that leaves the members of the group; otherwise, that reaches them.';
COMMENT ON COLUMN security_group_rule.ip_protocol IS 'The protocol: `tcp`, `udp`, `icmp`, `icmpv6`, the number of another, or `-1` for all.';
COMMENT ON COLUMN security_group_rule.from_port IS 'The first port of tcp and udp; the type of ICMP. -1 or NULL is all of them.';
COMMENT ON COLUMN security_group_rule.to_port IS 'The last port of tcp and udp; the code of ICMP. -1 or NULL is all of them.';
COMMENT ON COLUMN security_group_rule.cidr_ipv4 IS 'The IPv4 addresses at the other end.';
COMMENT ON COLUMN security_group_rule.cidr_ipv6 IS 'The IPv6 addresses at the other end.';
COMMENT ON COLUMN security_group_rule.prefix_list_id IS 'The prefix list that names the addresses at the other end.';
COMMENT ON COLUMN security_group_rule.source_security_group IS 'The security group whose members are at the other end.';
COMMENT ON COLUMN security_group_rule.description IS 'What the rule is for.';
COMMENT ON COLUMN security_group_rule.security_group_rule_id IS 'ID, given by AWS.';
COMMENT ON COLUMN security_group_rule.tags IS 'Tags.';
COMMENT ON COLUMN security_group_rule.region IS 'The region it lives in.';
CREATE FUNCTION iasql.security_group_rule_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.region := iasql.known_region(NEW.region);
  NEW.cidr_ipv4 := NEW.cidr_ipv4::cidr::text;
  NEW.cidr_ipv6 := NEW.cidr_ipv6::cidr::text;
  IF NEW.tags IS NULL THEN NEW.tags := '{}'; END IF;
  IF jsonb_typeof(NEW.tags) = 'string' THEN
    NEW.tags := iasql.unwrapped(NEW.tags, 'tags');
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.security_group_rule_id IS NULL THEN NEW.security_group_rule_id := OLD.security_group_rule_id;
  ELSIF NEW.security_group_rule_id IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.security_group_rule_id IS DISTINCT FROM OLD.security_group_rule_id) THEN
    PERFORM iasql.cloud_owned('security_group_rule', 'security_group_rule_id');
  END IF;
  IF NOT (CASE jsonb_typeof(NEW.tags) WHEN 'object' THEN NOT EXISTS (SELECT FROM jsonb_each(NEW.tags) AS tag (name, value) WHERE jsonb_typeof(tag.value) <> 'string') ELSE false END) THEN
    RAISE check_violation USING MESSAGE = 'tags is not a map of names to texts', HINT = 'Write it like ''{"team": "web", "stage": "test"}''.', TABLE = 'security_group_rule';
  END IF;
  IF NOT ((SELECT count(*) <= 50 AND bool_and(length(tag.name) BETWEEN 1 AND 128 AND length(tag.value) <= 256 AND tag.name NOT ILIKE 'aws:%' AND tag.name NOT ILIKE 'iasql:%') FROM jsonb_each_text(NEW.tags) AS tag (name, value))) THEN
    RAISE check_violation USING MESSAGE = 'tags are more than AWS takes: at most 50, names of 1 to 128 characters that do not begin with aws: or iasql:, values of at most 256', HINT = 'Use fewer, shorter or other tags.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.ip_protocol IN ('-1', 'tcp', 'udp', 'icmp', 'icmpv6') OR (NEW.ip_protocol ~ '^(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$' AND NEW.ip_protocol NOT IN ('1', '6', '17', '58'))) THEN
    RAISE check_violation USING MESSAGE = 'ip_protocol is not the name that AWS has for a protocol', HINT = 'Write -1 for all protocols, tcp, udp, icmp or icmpv6 for these four, the number for any other.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (family(NEW.cidr_ipv4::text::inet) = 4) THEN
    RAISE check_violation USING MESSAGE = 'cidr_ipv4 is not a range of IPv4 addresses', HINT = 'Write IPv6 ranges to cidr_ipv6.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (family(NEW.cidr_ipv6::text::inet) = 6) THEN
    RAISE check_violation USING MESSAGE = 'cidr_ipv6 is not a range of IPv6 addresses', HINT = 'Write IPv4 ranges to cidr_ipv4.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.prefix_list_id ~ '^pl-[0-9a-f]+$') THEN
    RAISE check_violation USING MESSAGE = 'prefix_list_id is not the ID of a prefix list', HINT = 'Write it like pl-63a5400a; aws ec2 describe-prefix-lists shows those of AWS''s services.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.description ~ '^[A-Za-z0-9 ._:/()#,@+=&;{}!$*[\]-]{1,255}$') THEN
    RAISE check_violation USING MESSAGE = 'description is not one AWS takes: 1 to 255 letters, digits, spaces, and ._-:/()#,@[]+=&;{}!$*', HINT = 'Leave the other characters out; write NULL for none.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (num_nonnulls(NEW.cidr_ipv4, NEW.cidr_ipv6, NEW.prefix_list_id, NEW.source_security_group) = 1) THEN
    RAISE check_violation USING MESSAGE = 'a rule is for exactly one of cidr_ipv4, cidr_ipv6, prefix_list_id and source_security_group', HINT = 'Set one of the four, and write a rule of its own for each of the others; cidr_ipv4 = ''0.0.0.0/0'' is every IPv4 address.', TABLE = 'security_group_rule';
  END IF;
  IF NOT ((NEW.from_port IS NULL) = (NEW.to_port IS NULL)) THEN
    RAISE check_violation USING MESSAGE = 'from_port and to_port go together', HINT = 'Write the same port to both for a single one.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.ip_protocol NOT IN ('tcp', 'udp') OR coalesce(NEW.from_port BETWEEN 0 AND NEW.to_port AND NEW.to_port <= 65535, false)) THEN
    RAISE check_violation USING MESSAGE = 'a rule for tcp or udp needs ports from 0 to 65535, from_port not above to_port', HINT = 'Write 0 and 65535 for all ports, the same port twice for a single one.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.ip_protocol NOT IN ('icmp', 'icmpv6') OR (coalesce(NEW.from_port, -1) BETWEEN -1 AND 255 AND coalesce(NEW.to_port, -1) BETWEEN -1 AND 255 AND (coalesce(NEW.from_port, -1) <> -1 OR coalesce(NEW.to_port, -1) = -1))) THEN
    RAISE check_violation USING MESSAGE = 'a rule for icmp or icmpv6 holds an ICMP type in from_port and a code in to_port, each up to 255 or -1 for all; all types have all codes', HINT = 'Write -1 to both, or leave both out, for all of ICMP; 8 and -1 for ping.', TABLE = 'security_group_rule';
  END IF;
  IF NOT (NEW.ip_protocol IN ('tcp', 'udp', 'icmp', 'icmpv6') OR (coalesce(NEW.from_port, -1) = -1 AND coalesce(NEW.to_port, -1) = -1)) THEN
    RAISE check_violation USING MESSAGE = 'ports go with tcp and udp; a rule for -1, which is all protocols, or for another one is for all ports', HINT = 'Leave from_port and to_port out, or write -1 to both; or set ip_protocol to tcp or udp.', TABLE = 'security_group_rule';
  END IF;
  RETURN NEW;
END $guard$;
COMMENT ON FUNCTION iasql.security_group_rule_guard() IS 'Holds users'' edits of security_group_rule to the rules.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON security_group_rule
  FOR EACH ROW WHEN (NOT iasql.by_engine()) EXECUTE FUNCTION iasql.security_group_rule_guard();
