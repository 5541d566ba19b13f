INSERT INTO repository (repository_name, image_tag_mutability) VALUES ('api', 'SOMETIMES');
