INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('${project_name}-worker', 30);
INSERT INTO repository (repository_name) VALUES ('${project_name}-worker');
SELECT * FROM iasql_apply();
