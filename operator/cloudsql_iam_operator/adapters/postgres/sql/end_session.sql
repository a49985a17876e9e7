-- The session is named by its role too, so that a number that was used again ends nobody else.
select pg_terminate_backend(a.pid)
from pg_stat_activity a
where a.pid = %(pid)s and a.usename::text = %(role)s and a.usename <> session_user
