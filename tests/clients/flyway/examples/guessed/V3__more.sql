INSERT INTO repository (repository_name, repository_uri) VALUES ('api', 'example.com/api');
SELECT * FROM iasql_apply();
