select
    current_setting('server_version_num')::integer / 10000,
    d.datname::text,
    d.oid,
    d.datdba,
    (select oid from pg_roles where rolname = current_user),
    (select oid from pg_roles where rolname = session_user),
    pg_is_in_recovery(),
    d.datname || '/' || d.oid || '/' || case
        when has_function_privilege('pg_control_system()', 'EXECUTE')
        then (select system_identifier::text from pg_control_system())
        else ''
    end
from pg_database d
where d.datname = current_database()
