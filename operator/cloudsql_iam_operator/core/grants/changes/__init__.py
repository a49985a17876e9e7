"""Changes as records: operations by oid, and the statements that carry them out."""
