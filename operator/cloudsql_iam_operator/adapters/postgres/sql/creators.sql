-- Who creates objects in a schema: whoever owns some there that are of no extension, and whoever may.
select n.nspname::text, c.relowner
from pg_namespace n
join pg_class c on c.relnamespace = n.oid
where
    n.nspname::text = any(%(schemas)s::text[])
    and c.relkind = any(%(relkinds)s::"char"[])
    and c.oid not in (
        select objid
        from pg_depend
        where refclassid = 'pg_extension'::regclass and deptype = 'e' and classid = 'pg_class'::regclass
    )
union
select n.nspname::text, e.grantee
from pg_namespace n
cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) e
where n.nspname::text = any(%(schemas)s::text[]) and e.privilege_type = 'CREATE' and e.grantee <> 0
