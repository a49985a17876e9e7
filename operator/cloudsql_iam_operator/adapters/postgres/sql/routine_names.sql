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
    ),
    -- ROUTINE finds procedures by their OUT arguments too, and so two where one of them is meant.
    case
        when exists (
            select
            from pg_proc o
            where
                o.pronamespace = p.pronamespace
                and o.proname = p.proname
                and o.oid <> p.oid
                and 'p' in (o.prokind, p.prokind)
        )
        then case p.prokind when 'p' then 'PROCEDURE' else 'FUNCTION' end
        else ''
    end
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where p.oid = any(%(oids)s::oid[])
