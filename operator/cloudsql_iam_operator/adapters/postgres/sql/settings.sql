-- Settings of one transaction; true as the third argument of set_config is SET LOCAL, which a pooler cannot leak.
select
    set_config('search_path', '', true),
    set_config('jit', 'off', true),
    set_config('lock_timeout', %(lock_timeout)s, true),
    set_config('statement_timeout', %(statement_timeout)s, true),
    set_config('idle_in_transaction_session_timeout', '10s', true),
    set_config('client_min_messages', 'notice', true),
    set_config('role', %(role)s, true)
