"""The frame that every reconciler runs in: queue, registry, engine, threads, reports."""
