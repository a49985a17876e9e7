"""kopf: what starts a reconcile, and the process around it. The only package that imports kopf."""
