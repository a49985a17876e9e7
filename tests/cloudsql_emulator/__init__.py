"""A stand-in for the parts of Google Cloud that IAM logins to Cloud SQL need, accepted by Google's own clients."""
