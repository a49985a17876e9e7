"""The Kubernetes API: objects, watches, the Lease, and what the webhook reads. Nothing is decided here."""
