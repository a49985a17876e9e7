select
    r.oid,
    r.rolname::text,
    r.rolsuper,
    r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls,
    pg_has_role(current_user, r.oid, 'USAGE'),
    pg_has_role(
        session_user,
        r.oid,
        -- Membership was enough to SET ROLE before PostgreSQL 16 gave it an option of its own.
        case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end
    ),
    r.rolcreaterole,
    r.rolbypassrls,
    r.rolcanlogin,
    r.rolinherit
from pg_roles r
