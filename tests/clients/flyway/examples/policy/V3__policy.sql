INSERT INTO role (role_name, assume_role_policy_document, inline_policies) VALUES (
  'uploads',
  '{
    "Version": "2012-10-17",
    "Statement": [{
      "Effect": "Allow",
      "Principal": {"Service": "ec2.amazonaws.com"},
      "Action": "sts:AssumeRole"
    }]
  }',
  '{
    "own-folder": {
      "Version": "2012-10-17",
      "Statement": [{
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::uploads/${aws:username}/*"
      }]
    }
  }'
);
SELECT * FROM iasql_apply();
