"""Parts of the reconciler of CloudSQLIAMUsers: its visit, database roles, what it owns, what is only observed."""
