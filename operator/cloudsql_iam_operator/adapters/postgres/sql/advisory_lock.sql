-- One writer of grants at a time in a database among the sessions of this very login.
-- Anybody can take such a lock: one that a session of another role holds is told, and nothing waits for it.
with place as materialized (
    select hashtextextended('cloudsql-iam-operator/grants/' || current_database(), 0) as key
),
tried as materialized (
    select key, pg_try_advisory_xact_lock(key) as taken from place
),
prepared as materialized (
    select distinct on (t.virtualtransaction) t.virtualtransaction, p.owner, p.prepared, p.gid
    from pg_locks t
    join pg_prepared_xacts p on p.transaction = t.transactionid
    where t.pid is null
    order by t.virtualtransaction, p.prepared
),
holding as materialized (
    select
        l.pid,
        coalesce(a.usename, x.owner)::text as role,
        extract(epoch from clock_timestamp() - coalesce(a.xact_start, x.prepared))::float8 as seconds,
        coalesce(x.gid, '') as prepared
    from tried t
    join pg_locks l
        on not t.taken and l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and (l.classid::bigint << 32 | l.objid::bigint) = t.key
        and l.database = (select d.oid from pg_database d where d.datname = current_database())
    left join pg_stat_activity a on a.pid = l.pid
    left join prepared x on l.pid is null and x.virtualtransaction = l.virtualtransaction
    where l.pid is distinct from pg_backend_pid()
),
waited as materialized (
    -- for another session of ours, which lock_timeout bounds
    select pg_advisory_xact_lock(t.key)
    from tried t
    where not t.taken and exists (select from holding h where h.role = session_user)
)
select h.pid, h.role, h.seconds, h.prepared
from holding h
where h.role is distinct from session_user and (select count(*) from waited) >= 0
