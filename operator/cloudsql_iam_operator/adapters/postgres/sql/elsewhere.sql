-- Where roles have rights that an owner gave: how many objects of a kind and schema, one of them, and which rights.
-- What names a role is found through the index of pg_shdepend, not by reading all rights of the database.
with wanted as materialized (
    select oid from pg_roles where rolname::text = any(%(roles)s::text[]) or oid = any(%(known_roles)s::oid[])
),
named as (
    select d.refobjid as role, d.classid, d.objid
    from pg_shdepend d
    where
        d.refclassid = 'pg_authid'::regclass
        and d.refobjid in (select oid from wanted)
        and d.dbid = (select oid from pg_database where datname = current_database())
        and d.deptype = 'a'
        and d.objsubid = 0
),
found (kind, schema, owner, acl, name, role) as (
    select case c.relkind when 'p' then 'r' else c.relkind end::text, c.relnamespace, c.relowner, c.relacl, c.relname, n.role
    from named n
    join pg_class c on n.classid = 'pg_class'::regclass and c.oid = n.objid
    union all
    select case p.prokind when 'p' then 'procedure' else 'function' end, p.pronamespace, p.proowner, p.proacl, p.proname, n.role
    from named n
    join pg_proc p on n.classid = 'pg_proc'::regclass and p.oid = n.objid
    union all
    select 'type', t.typnamespace, t.typowner, t.typacl, t.typname, n.role
    from named n
    join pg_type t on n.classid = 'pg_type'::regclass and t.oid = n.objid
)
select f.kind, f.schema, f.role, e.privilege_type, count(*), min(f.name)::text
from found f
join pg_namespace s on s.oid = f.schema
cross join lateral aclexplode(f.acl) e
where e.grantee = f.role and e.grantor = f.owner and s.nspname !~ '^pg_' and s.nspname <> 'information_schema'
group by 1, 2, 3, 4
