-- Objects with equal kind, schema, owner and rights are one row, so that a right is taken apart once for all of them.
-- Rights of the wanted roles, of the operator, of all roles above these, and of PUBLIC, and what the wanted roles passed
-- on; everybody else's are left out.
-- What belongs to an extension is told apart; its dependence on that is found by index, however much there is besides.
-- Kinds that nobody asked for are not even scanned: pg_attribute and pg_type are the biggest catalogs.
with recursive named as materialized (
    select oid from pg_roles where rolname::text = any(%(roles)s::text[]) or oid = any(%(known_roles)s::oid[])
),
wanted as materialized (
    select oid from pg_roles where rolname = session_user or oid in (select oid from named)
    union
    select m.roleid from pg_auth_members m join wanted w on w.oid = m.member
),
place as materialized (
    select oid from pg_namespace
    where
        nspname::text = any(%(schemas)s::text[])
        or oid = any(%(known)s::oid[])
        or (%(everywhere)s and nspname !~ '^pg_' and nspname <> 'information_schema')
),
extended as materialized (
    select classid, objid from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e'
),
folded (kind, schema, owner, acl, col, extended, members) as (
    select
        case c.relkind when 'p' then 'r' else c.relkind end::text,
        c.relnamespace,
        c.relowner,
        c.relacl,
        '',
        c.oid in (select objid from extended where classid = 'pg_class'::regclass),
        array_agg(c.oid)
    from pg_class c
    where
        (c.relnamespace in (select oid from place) or c.oid = any(%(known)s::oid[]))
        and c.relkind = any(%(relkinds)s::"char"[])
    group by 1, 2, 3, 4, 6
    union all
    select
        case p.prokind when 'p' then 'procedure' else 'function' end,
        p.pronamespace,
        p.proowner,
        coalesce(p.proacl, acldefault('f', p.proowner)),
        '',
        p.oid in (select objid from extended where classid = 'pg_proc'::regclass),
        array_agg(p.oid)
    from pg_proc p
    where
        (p.pronamespace in (select oid from place) or p.oid = any(%(known)s::oid[]))
        and 'Routine' = any(%(kinds)s::text[])
    group by 1, 2, 3, 4, 6
    union all
    select
        'type',
        t.typnamespace,
        t.typowner,
        coalesce(t.typacl, acldefault('T', t.typowner)),
        '',
        t.oid in (select objid from extended where classid = 'pg_type'::regclass),
        array_agg(t.oid)
    from pg_type t
    where
        (t.typnamespace in (select oid from place) or t.oid = any(%(known)s::oid[]))
        and 'Type' = any(%(kinds)s::text[])
        -- an array has the rights of its elements; a domain over one has its own
        and not (t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc)
        and (
            t.typtype in ('b', 'd', 'e', 'r')
            -- one comes with each range, and has rights of its own only where default privileges gave it some
            or (t.typtype = 'm' and t.typacl is not null)
            -- asked by relation: tables have types too, which nobody grants on
            or t.oid in (select c.reltype from pg_class c where c.relkind = 'c')
        )
    group by 1, 2, 3, 4, 6
    union all
    select 'schema', n.oid, n.nspowner, n.nspacl, '', false, array[n.oid]
    from pg_namespace n
    where n.oid in (select oid from place)
    union all
    select 'database', 0, d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)), '', false, array[d.oid]
    from pg_database d
    where d.datname = current_database()
    union all
    select 'column', c.relnamespace, c.relowner, a.attacl, a.attname::text, false, array[c.oid]
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    where
        a.attacl is not null
        and not a.attisdropped
        and (c.relnamespace in (select oid from place) or c.oid = any(%(known)s::oid[]))
        and 'Column' = any(%(kinds)s::text[])
    union all
    select
        'future ' || f.defaclobjtype::text,
        f.defaclnamespace,
        f.defaclrole,
        f.defaclacl,
        '',
        false,
        array[f.defaclnamespace]
    from pg_default_acl f
    where f.defaclnamespace in (select oid from place) or f.defaclnamespace = 0
)
select f.kind, f.schema, f.owner, f.col, f.extended, f.members, coalesce(cardinality(f.acl), 0), held.grantees, held.grantors, held.masks
from folded f
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
                when 'INSERT' then 1
                when 'SELECT' then 2
                when 'UPDATE' then 4
                when 'DELETE' then 8
                when 'TRUNCATE' then 16
                when 'REFERENCES' then 32
                when 'TRIGGER' then 64
                when 'EXECUTE' then 128
                when 'USAGE' then 256
                when 'CREATE' then 512
                when 'TEMPORARY' then 1024
                when 'CONNECT' then 2048
                when 'SET' then 4096
                when 'ALTER SYSTEM' then 8192
                when 'MAINTAIN' then 16384
                else 0
            end as mask
        ) b
        where
            e.grantee = 0
            or e.grantee in (select oid from wanted)
            or (e.grantor <> f.owner and e.grantor in (select oid from named))
        group by 1, 2
    ) one
) held on true
