-- Whom Cloud SQL makes a member it does as its superuser, which nobody else there is.
select r.rolname::text, bool_or(g.rolsuper)
from pg_auth_members m
join pg_roles r on r.oid = m.roleid
join pg_roles u on u.oid = m.member
join pg_roles g on g.oid = m.grantor
where u.rolname = %(role)s
group by r.rolname
