-- The server reads the argument types, and reads them as types only: hostile text gives nothing or an error.
select w.schema, w.signature, to_regprocedure(format('%%I.%%I(%%s)', w.schema, w.name, w.arguments))::oid
from unnest(%(schemas)s::text[], %(signatures)s::text[], %(names)s::text[], %(arguments)s::text[])
    w (schema, signature, name, arguments)
