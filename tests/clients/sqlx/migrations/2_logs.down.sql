DELETE FROM log_group WHERE log_group_name = 'web';
SELECT * FROM iasql_apply();
