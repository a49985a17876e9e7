select c.oid, array_agg(a.attname::text)
from unnest(%(schemas)s::text[], %(names)s::text[]) w (schema, name)
join pg_namespace n on n.nspname::text = w.schema
join pg_class c on c.relnamespace = n.oid and c.relname = w.name::name and c.relname::text = w.name
join pg_attribute a on a.attrelid = c.oid
where a.attnum > 0 and not a.attisdropped
group by c.oid
