INSERT INTO log_group (log_group_name) VALUES ('${project_name}-reports');
INSERT INTO repository (repository_name) VALUES ('reports');
SELECT * FROM iasql_apply();
