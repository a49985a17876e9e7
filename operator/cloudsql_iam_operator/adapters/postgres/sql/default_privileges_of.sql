-- Default privileges that a role set, one for each grantee and privilege; '' is PUBLIC, and every schema at once.
select
    coalesce(n.nspname::text, ''),
    d.defaclobjtype::text,
    coalesce(g.rolname::text, ''),
    x.privilege_type,
    coalesce(x.is_grantable, false)
from pg_default_acl d
join pg_roles u on u.oid = d.defaclrole
left join pg_namespace n on n.oid = d.defaclnamespace
left join lateral aclexplode(d.defaclacl) x on true
left join pg_roles g on g.oid = x.grantee
where u.rolname = %(role)s
order by 1, 2, 3, 4
