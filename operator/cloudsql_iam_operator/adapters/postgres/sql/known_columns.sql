-- What columns are called now of relations that are known by oid.
select a.attrelid, array_agg(a.attnum), array_agg(a.attname::text)
from pg_attribute a
where a.attrelid = any(%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
group by a.attrelid
