\copy (SELECT log_group_name, retention_in_days, tags FROM log_group ORDER BY 1) TO 'log_groups.csv' WITH (FORMAT csv, HEADER)
