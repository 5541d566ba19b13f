SELECT * FROM iasql_install('aws_cloudwatch');

INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('migrated', 30);

-- The whole file is one transaction: the apply sees the row above.
SELECT * FROM iasql_apply();
