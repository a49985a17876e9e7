-- What depends on a role in this database, or with '' what all share; what it owns comes first.
select pg_describe_object(s.classid, s.objid, s.objsubid), s.deptype = 'o'
from pg_shdepend s
join pg_roles u on u.oid = s.refobjid
left join pg_database d on d.oid = s.dbid
where
    s.refclassid = 'pg_authid'::regclass
    and s.deptype in ('o', 'a')
    and u.rolname = %(role)s
    and coalesce(d.datname, '') = %(database)s
order by 2 desc, 1
limit %(limit)s
