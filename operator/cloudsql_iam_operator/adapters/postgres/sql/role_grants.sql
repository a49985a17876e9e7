-- Through jsonb, because the options are columns only from PostgreSQL 16 on.
select
    m.roleid,
    m.member,
    m.grantor,
    m.admin_option,
    coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true),
    coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
from pg_auth_members m
