-- Who stands in the way of a grant in this database: locks on tables and roles, held or waited for, and open
-- transactions that have changed the very row which a grant would change. Rows are known by the number of the
-- transaction that changed them last, as long as that holds the lock on its own number.
with prepared as materialized (
    select distinct on (t.virtualtransaction) t.virtualtransaction, p.owner, p.prepared, p.gid
    from pg_locks t
    join pg_prepared_xacts p on p.transaction = t.transactionid
    where t.pid is null
    order by t.virtualtransaction, p.prepared
),
locks as materialized (
    select
        l.locktype,
        l.relation,
        l.classid,
        l.objid,
        l.transactionid,
        l.mode,
        l.pid,
        coalesce(a.usename, x.owner)::text as role,
        extract(epoch from clock_timestamp() - coalesce(a.xact_start, x.prepared))::float8 as seconds,
        coalesce(x.gid, '') as prepared
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    left join prepared x on l.pid is null and x.virtualtransaction = l.virtualtransaction
    where
        l.pid is distinct from pg_backend_pid()
        and (
            coalesce(l.database, 0) = 0
            or l.database = (select d.oid from pg_database d where d.datname = current_database())
        )
),
changing as materialized (
    select transactionid, pid, role, seconds, prepared
    from locks
    where locktype = 'transactionid' and mode = 'ExclusiveLock'
)
select 'relation', n.nspname::text, c.relname::text, l.mode, l.pid, l.role, l.seconds, l.prepared
from locks l
join pg_class c on c.oid = l.relation
join pg_namespace n on n.oid = c.relnamespace
where
    l.locktype = 'relation'
    and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
union all
select 'role', '', r.rolname::text, l.mode, l.pid, l.role, l.seconds, l.prepared
from locks l
join pg_roles r on r.oid = l.objid
where l.locktype = 'object' and l.classid = 'pg_authid'::regclass and l.mode <> 'AccessShareLock'
union all
select f.kind, f.schema, f.name, '', b.pid, b.role, b.seconds, b.prepared
from changing b
join (
    select 'relation' as kind, n.nspname::text as schema, c.relname::text as name, c.xmax as by
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.xmax in (select transactionid from changing)
    union all
    select 'column', n.nspname::text, c.relname::text, a.xmax
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    where a.xmax in (select transactionid from changing)
    union all
    select 'schema', '', n.nspname::text, n.xmax from pg_namespace n
    union all
    select 'database', '', d.datname::text, d.xmax from pg_database d
    union all
    select 'routine', n.nspname::text, p.proname::text, p.xmax
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where p.xmax in (select transactionid from changing)
    union all
    select 'type', n.nspname::text, t.typname::text, t.xmax
    from pg_type t
    join pg_namespace n on n.oid = t.typnamespace
    where t.xmax in (select transactionid from changing)
    union all
    select 'future', n.nspname::text, r.rolname::text, f.xmax
    from pg_default_acl f
    join pg_namespace n on n.oid = f.defaclnamespace
    join pg_roles r on r.oid = f.defaclrole
    union all
    select 'role', '', r.rolname::text, m.xmax
    from pg_auth_members m
    join pg_roles r on r.oid = m.roleid
) f on f.by = b.transactionid
