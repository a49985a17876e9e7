-- Settings by name; one on which nobody has a right has no row of its own, and is numbered below zero here.
-- PostgreSQL has this catalog from 15 on. All settings belong to the role with which the cluster was made, number 10.
with recursive wanted as materialized (
    select oid from pg_roles where rolname::text = any(%(roles)s::text[])
    union
    select m.roleid from pg_auth_members m join wanted w on w.oid = m.member
)
select 'parameter', a.name, coalesce(p.oid::bigint, -a.place), 10, held.grantees, held.grantors, held.masks
from unnest(%(names)s::text[]) with ordinality a (name, place)
left join pg_parameter_acl p on p.parname = a.name
left join pg_settings s on lower(s.name) = a.name
left join lateral (
    select
        array_agg(one.grantee) as grantees,
        array_agg(one.grantor) as grantors,
        array_agg(one.mask) as masks
    from (
        select e.grantee, e.grantor, bit_or(b.mask | case when e.is_grantable then b.mask << 16 else 0 end) as mask
        from aclexplode(p.paracl) e
        cross join lateral (
            select case e.privilege_type when 'SET' then 4096 when 'ALTER SYSTEM' then 8192 else 0 end as mask
        ) b
        where e.grantee = 0 or e.grantee in (select oid from wanted)
        group by 1, 2
    ) one
) held on true
where p.oid is not null or s.name is not null or position('.' in a.name) > 0
