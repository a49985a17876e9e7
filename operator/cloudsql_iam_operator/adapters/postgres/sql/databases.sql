-- Databases of this server by oid, and what tells the server from others, as in the identity of each.
select
    d.oid,
    d.datname::text,
    case
        when has_function_privilege('pg_control_system()', 'EXECUTE')
        then (select system_identifier::text from pg_control_system())
        else ''
    end
from pg_database d
