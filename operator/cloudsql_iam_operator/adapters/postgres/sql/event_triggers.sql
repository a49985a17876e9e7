-- Code that others have run as us: at login (from PostgreSQL 17 on), or when we grant and revoke. Functions that run as
-- their owner are no danger to us, nor those of a language that ordinary roles cannot write, nor those of an owner who
-- can become us anyway, as a superuser can.
select t.evtname::text, n.nspname::text, p.proname::text, o.rolname::text
from pg_event_trigger t
join pg_proc p on p.oid = t.evtfoid
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
join pg_roles o on o.oid = p.proowner
where
    t.evtenabled in ('O', 'A')
    and (
        t.evtevent = 'login'
        or t.evtevent in ('ddl_command_start', 'ddl_command_end')
        and (t.evttags is null or t.evttags && array['GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES'])
    )
    and not p.prosecdef
    and l.lanname not in ('c', 'internal')
    and not pg_has_role(o.oid, session_user, 'MEMBER')
order by 1
