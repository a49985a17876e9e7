-- Objects that are in no schema, by kind and name, one row each with the rights on it.
with recursive wanted as materialized (
    select oid from pg_roles where rolname::text = any(%(roles)s::text[])
    union
    select m.roleid from pg_auth_members m join wanted w on w.oid = m.member
),
asked (kind, name) as (
    select * from unnest(%(kinds)s::text[], %(names)s::text[])
),
found (kind, name, oid, owner, acl) as (
    select a.kind, a.name, s.oid, s.srvowner, coalesce(s.srvacl, acldefault('S', s.srvowner))
    from asked a
    join pg_foreign_server s on a.kind = 'foreign server' and s.srvname::text = a.name
    union all
    select a.kind, a.name, w.oid, w.fdwowner, coalesce(w.fdwacl, acldefault('F', w.fdwowner))
    from asked a
    join pg_foreign_data_wrapper w on a.kind = 'foreign data wrapper' and w.fdwname::text = a.name
    union all
    select a.kind, a.name, l.oid, l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner))
    from asked a
    join pg_language l on a.kind = 'language' and l.lanname::text = a.name
    union all
    select 'large object', o.oid::text, o.oid, o.lomowner, coalesce(o.lomacl, acldefault('L', o.lomowner))
    from pg_largeobject_metadata o
    where
        ('large object', o.oid::text) in (select * from asked)
        -- there may be very many: of all only those on which one of the roles has a right
        or (
            ('large object', '*') in (select * from asked)
            and exists (select from aclexplode(o.lomacl) e where e.grantee in (select oid from wanted))
        )
    union all
    select a.kind, a.name, t.oid, t.spcowner, coalesce(t.spcacl, acldefault('t', t.spcowner))
    from asked a
    join pg_tablespace t on a.kind = 'tablespace' and t.spcname::text = a.name
)
select f.kind, f.name, f.oid, f.owner, held.grantees, held.grantors, held.masks
from found f
left join lateral (
    select
        array_agg(one.grantee) as grantees,
        array_agg(one.grantor) as grantors,
        array_agg(one.mask) as masks
    from (
        select e.grantee, e.grantor, bit_or(b.mask | case when e.is_grantable then b.mask << 16 else 0 end) as mask
        from aclexplode(f.acl) e
        cross join lateral (
            select case e.privilege_type
                when 'SELECT' then 2
                when 'UPDATE' then 4
                when 'USAGE' then 256
                when 'CREATE' then 512
                else 0
            end as mask
        ) b
        where e.grantee = 0 or e.grantee in (select oid from wanted)
        group by 1, 2
    ) one
) held on true
