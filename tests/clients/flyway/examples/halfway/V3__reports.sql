INSERT INTO log_group (log_group_name) VALUES ('${project_name}-reports');
SELECT * FROM iasql_apply();
INSERT INTO repository (repository_name) VALUES ('Reports');
SELECT * FROM iasql_apply();
