INSERT INTO subnet (vpc_id, cidr_block) VALUES (999, '10.0.0.0/24');
