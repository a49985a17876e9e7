select t.oid, n.nspname::text, t.typname::text
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where t.oid = any(%(oids)s::oid[])
