-- How much depends on a role: what it owns and what it may, by database; '' for what all databases share.
select coalesce(d.datname::text, ''), count(*)
from pg_shdepend s
join pg_roles u on u.oid = s.refobjid
left join pg_database d on d.oid = s.dbid
where s.refclassid = 'pg_authid'::regclass and s.deptype in ('o', 'a') and u.rolname = %(role)s
group by 1
order by 1
