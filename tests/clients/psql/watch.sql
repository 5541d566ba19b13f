SELECT call, done, total, doing FROM iasql_progress
\watch 0.5
