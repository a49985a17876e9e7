"""A real PostgreSQL laid out for tests of grants, and short ways to say what is wanted of it."""
