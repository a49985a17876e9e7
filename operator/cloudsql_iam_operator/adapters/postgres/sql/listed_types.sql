select n.nspname::text, t.oid, t.typname::text
from pg_namespace n
join pg_type t on t.typnamespace = n.oid
where n.nspname::text = any(%(schemas)s::text[])
