"""The systems outside: Google, PostgreSQL, the cluster. Each translates its errors into ours at the edge."""
