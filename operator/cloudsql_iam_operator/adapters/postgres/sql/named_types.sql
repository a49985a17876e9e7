select w.schema, w.name, t.oid
from unnest(%(schemas)s::text[], %(names)s::text[]) w (schema, name)
join pg_namespace n on n.nspname::text = w.schema
join pg_type t on t.typnamespace = n.oid and t.typname = w.name::name and t.typname::text = w.name
left join pg_class c on c.oid = t.typrelid
where
    not (t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc)
    and (t.typtype in ('b', 'd', 'e', 'r') or (t.typtype = 'c' and c.relkind = 'c'))
