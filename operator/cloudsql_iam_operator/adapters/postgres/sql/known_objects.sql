-- Where objects are, and what they are called, that are known by oid.
select 'relation', c.oid, n.nspname::text, c.relname::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.oid = any(%(oids)s::oid[]) and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
union all
select 'routine', p.oid, n.nspname::text, p.proname::text
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where p.oid = any(%(oids)s::oid[])
union all
select 'type', t.oid, n.nspname::text, t.typname::text
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where t.oid = any(%(oids)s::oid[])
