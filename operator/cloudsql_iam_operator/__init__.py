"""One declared thing for Cloud SQL IAM logins: binding, database user, grants and proxy."""

__version__ = "0.1.0"
