-- Through jsonb, because the options are columns only from PostgreSQL 16 on; before, inheriting is up to the member.
select
    m.roleid,
    m.member,
    m.grantor,
    m.admin_option,
    coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit),
    coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
from pg_auth_members m
join pg_roles r on r.oid = m.member
