select w.schema, w.name, c.oid
from unnest(%(schemas)s::text[], %(names)s::text[]) w (schema, name)
join pg_namespace n on n.nspname::text = w.schema
join pg_class c on c.relnamespace = n.oid and c.relname = w.name::name and c.relname::text = w.name
where c.relkind = any(%(relkinds)s::"char"[])
