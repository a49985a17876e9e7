"""How annotations of our domain are named, and the one that all our own kinds have. Those of pods: `injection`."""

from cloudsql_iam_operator.api.names import GROUP

PREFIX = f"{GROUP}/"
"""How the name of every pod annotation of ours begins."""

REQUESTED_AT = f"reconcile.{GROUP}/requestedAt"
"""On our own kinds: a new value asks for a reconcile now, and is echoed in status.lastHandledReconcileAt."""
