-- Argument types by the names in pg_type, each of which can be quoted as an identifier; int4[] is _int4 there.
select
    p.oid,
    n.nspname::text,
    p.proname::text,
    array(
        select tn.nspname::text
        from unnest(p.proargtypes) with ordinality a (type, place)
        join pg_type t on t.oid = a.type
        join pg_namespace tn on tn.oid = t.typnamespace
        order by a.place
    ),
    array(
        select t.typname::text
        from unnest(p.proargtypes) with ordinality a (type, place)
        join pg_type t on t.oid = a.type
        order by a.place
    )
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where p.oid = any(%(oids)s::oid[])
