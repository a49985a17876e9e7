"""PostgreSQL: connecting, observing, and carrying out statements. What to carry out is decided in `core.grants`."""
