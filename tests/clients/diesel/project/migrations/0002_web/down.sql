DELETE FROM repository WHERE repository_name = 'web';
SELECT * FROM iasql_apply();
