-- Changes when a right on a setting does, or when there is another setting. This catalog is there from PostgreSQL 15 on.
select concat_ws(
    '/',
    (select bit_xor(hash_record_extended((p.oid, p.xmin), 0)) from pg_parameter_acl p),
    (select bit_xor(hashtextextended(s.name, 0)) from pg_settings s)
)
