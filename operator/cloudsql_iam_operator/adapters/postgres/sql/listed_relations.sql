select n.nspname::text, c.oid, c.relname::text
from pg_namespace n
join pg_class c on c.relnamespace = n.oid
where n.nspname::text = any(%(schemas)s::text[]) and c.relkind = any(%(relkinds)s::"char"[])
