-- Settings of one transaction; true as the third argument of set_config is SET LOCAL, which a pooler cannot leak.
-- This runs before the search path is known to be ours, so every name in it says where it is.
select pg_catalog.count(pg_catalog.set_config(s.name, s.value, true))
from
    rows from (
        pg_catalog.unnest(%(names)s::pg_catalog.text[]),
        pg_catalog.unnest(%(values)s::pg_catalog.text[])
    ) s (name, value)
