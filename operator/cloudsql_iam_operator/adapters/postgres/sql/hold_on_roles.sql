-- Who works here and who is logged in, and how they stand to two roles: whether they have their rights, and whether
-- there is a membership without them that a grant of ours would change: before PostgreSQL 16 there is one alone,
-- whoever granted it.
select
    current_user::text,
    session_user::text,
    r.rolname::text,
    pg_has_role(current_user, r.oid, 'USAGE'),
    pg_has_role(session_user, r.oid, 'USAGE'),
    exists (
        select from pg_auth_members m
        where
            m.roleid = r.oid
            and m.member = (select c.oid from pg_roles c where c.rolname = current_user)
            and (current_setting('server_version_num')::integer < 160000 or pg_has_role(current_user, m.grantor, 'USAGE'))
    )
from pg_roles r
where r.rolname in (%(role)s, %(heir)s)
