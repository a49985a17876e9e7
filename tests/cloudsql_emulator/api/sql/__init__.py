"""Methods of the Cloud SQL Admin API, by what they are about."""
