select oid, nspname::text from pg_namespace where nspname !~ '^pg_(temp|toast_temp)_'
