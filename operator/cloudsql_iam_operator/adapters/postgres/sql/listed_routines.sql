select n.nspname::text, p.oid, p.proname::text
from pg_namespace n
join pg_proc p on p.pronamespace = n.oid
where n.nspname::text = any(%(schemas)s::text[])
