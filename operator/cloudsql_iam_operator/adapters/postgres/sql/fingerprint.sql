-- Changes when a name, an owner, a right, a role or a membership does; a tenth of the cost of looking at them.
-- In the big catalogs a row's version stands for what is in it: whoever changes a right writes the row anew.
-- Temporary tables are their session's own, and come and go all day.
-- Kinds that nobody asked for are not even scanned: pg_attribute and pg_type are the biggest catalogs.
-- Types that are made with tables are left out, all but those with rights of their own; those of their own right are
-- relations of kind c too, which is where their name and owner change.
select concat_ws(
    '/',
    (
        select bit_xor(hash_record_extended((c.oid, c.xmin), 0))
        from pg_class c
        where
            (c.relkind = any(%(relkinds)s::"char"[]) or c.relkind = 'c')
            and c.relnamespace <> 'pg_catalog'::regnamespace
            and c.relpersistence <> 't'
    ),
    (
        select bit_xor(hash_record_extended((p.oid, p.proname, p.pronamespace, p.proowner, p.proacl, p.proargtypes), 0))
        from pg_proc p
        where p.pronamespace <> 'pg_catalog'::regnamespace and 'Routine' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((t.oid, t.typname, t.typnamespace, t.typowner, t.typacl), 0))
        from pg_type t
        where
            t.typnamespace <> 'pg_catalog'::regnamespace
            and 'Type' = any(%(kinds)s::text[])
            and not (t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc)
            and (t.typtype in ('b', 'd', 'e', 'r') or (t.typtype in ('c', 'm') and t.typacl is not null))
    ),
    (
        select bit_xor(hash_record_extended((a.attrelid, a.attnum, a.attname, a.attacl), 0))
        from pg_attribute a
        where
            -- a rename does not touch the table's row, and may be what makes a column that is waited for
            (a.attacl is not null or a.attnum > 0)
            and not a.attisdropped
            and a.attrelid not in (select t.oid from pg_class t where t.relpersistence = 't')
            and 'Column' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((n.oid, n.nspname, n.nspowner, n.nspacl), 0)) from pg_namespace n
        where n.nspname !~ '^pg_(temp|toast_temp)_'
    ),
    (select bit_xor(hash_record_extended((d.oid, d.datname, d.datdba, d.datacl), 0)) from pg_database d),
    (
        select bit_xor(
            hash_record_extended((a.oid, a.defaclrole, a.defaclnamespace, a.defaclobjtype, a.defaclacl), 0)
        )
        from pg_default_acl a
    ),
    (
        select bit_xor(
            hash_record_extended(
                (
                    r.oid, r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
                    r.rolinherit
                ),
                0
            )
        )
        from pg_roles r
    ),
    (
        select bit_xor(
            hash_record_extended((m.roleid, m.member, m.grantor, m.admin_option), 0)
            # hashtextextended(to_jsonb(m)::text, 0)
        )
        from pg_auth_members m
    ),
    (select bit_xor(hash_record_extended((t.oid, t.xmin), 0)) from pg_event_trigger t),
    (
        select bit_xor(hash_record_extended((s.oid, s.xmin), 0))
        from pg_foreign_server s
        where 'ForeignServer' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((w.oid, w.xmin), 0))
        from pg_foreign_data_wrapper w
        where 'ForeignDataWrapper' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((l.oid, l.xmin), 0))
        from pg_language l
        where 'Language' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((o.oid, o.xmin), 0))
        from pg_largeobject_metadata o
        where 'LargeObject' = any(%(kinds)s::text[])
    ),
    (
        select bit_xor(hash_record_extended((t.oid, t.xmin), 0))
        from pg_tablespace t
        where 'Tablespace' = any(%(kinds)s::text[])
    ),
    current_user,
    pg_is_in_recovery()
)
