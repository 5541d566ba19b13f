INSERT INTO log_group (log_group_name, retention_in_days) VALUES ('web', 30);
-- A migration is a transaction: the apply sees the row above.
SELECT * FROM iasql_apply();
