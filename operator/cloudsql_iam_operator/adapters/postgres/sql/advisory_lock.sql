-- One writer of grants at a time in a database, whoever else runs this operator on it.
select pg_advisory_xact_lock(hashtextextended('cloudsql-iam-operator/grants/' || current_database(), 0))
