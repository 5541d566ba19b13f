BEGIN;
DELETE FROM log_group;
\copy log_group (log_group_name, retention_in_days, tags) FROM 'log_groups.csv' WITH (FORMAT csv, HEADER)
SELECT * FROM iasql_apply();
COMMIT;
