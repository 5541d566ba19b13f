INSERT INTO repository (repository_name) VALUES ('web');
-- A migration is a transaction: the apply sees the row above.
SELECT * FROM iasql_apply();
