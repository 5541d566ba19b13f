-- A first session, from an empty database to an empty account. `make demo` runs it against an
-- emulated AWS; nothing in it is special to that.

CREATE EXTENSION iasql;

-- Tables for three services, filled with what the account holds. VPCs come along, as security
-- groups refer to them.
SELECT * FROM iasql_install('aws_cloudwatch', 'aws_ecr', 'aws_security_group');

-- Resources are rows.
INSERT INTO log_group (log_group_name) VALUES ('demo/web'), ('demo/worker');
INSERT INTO repository (repository_name, scan_on_push) VALUES ('demo-web', true);
INSERT INTO security_group (group_name, description) VALUES ('demo-web', 'open to the world');
INSERT INTO security_group_rule (security_group_id, is_egress, ip_protocol, from_port, to_port, cidr_ipv4)
SELECT id, false, 'tcp', 443, 443, '0.0.0.0/0' FROM security_group WHERE group_name = 'demo-web';

-- What would be done in the cloud, and doing it.
SELECT * FROM iasql_plan_apply();
SELECT * FROM iasql_apply();

-- What AWS gave them.
SELECT repository_name, repository_uri FROM repository;
SELECT group_name, group_id FROM security_group;

-- A change is an UPDATE, and only what differs is sent.
UPDATE repository SET image_tag_mutability = 'IMMUTABLE' WHERE repository_name = 'demo-web';
SELECT action, table_name, name, columns, reason FROM iasql_plan();
SELECT * FROM iasql_apply();

-- Someone works in the account behind our back: one log group is deleted, another is made.
\! python -c "import boto3; aws = boto3.client('logs'); aws.delete_log_group(logGroupName='demo/worker'); aws.create_log_group(logGroupName='demo/theirs')"
SELECT change, table_name, name FROM iasql_drift();

-- Sync takes the cloud's word for it.
SELECT * FROM iasql_sync();
SELECT log_group_name, creation_time FROM log_group ORDER BY log_group_name;

-- Deleting the rows deletes nothing in the cloud, until it is applied.
SELECT delete_all_records();
SELECT * FROM iasql_plan_apply();
SELECT * FROM iasql_apply();

-- Who did what, and why.
SELECT call, action, table_name, name, reason, outcome FROM iasql_history ORDER BY id DESC LIMIT 5;
