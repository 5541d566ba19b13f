UPDATE aws_regions SET is_default = false;
INSERT INTO log_group (log_group_name) VALUES ('/api/requests');
