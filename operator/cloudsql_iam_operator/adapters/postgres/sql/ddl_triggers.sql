-- Code that others have run as us whatever we change; see event_triggers for what is no danger.
select t.evtname::text, n.nspname::text, p.proname::text, o.rolname::text
from pg_event_trigger t
join pg_proc p on p.oid = t.evtfoid
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
join pg_roles o on o.oid = p.proowner
where
    t.evtenabled in ('O', 'A')
    and not p.prosecdef
    and l.lanname not in ('c', 'internal')
    and not pg_has_role(o.oid, session_user, 'MEMBER')
order by 1
