-- The cloud stays as it is.
SELECT * FROM iasql_uninstall(VARIADIC ARRAY(SELECT module_name FROM iasql_modules_installed()));
