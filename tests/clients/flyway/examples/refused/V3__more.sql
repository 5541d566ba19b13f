INSERT INTO repository (repository_name) VALUES ('api');
INSERT INTO log_group (log_group_name) VALUES ('/api/requests');
SELECT * FROM iasql_apply();
