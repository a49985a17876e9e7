"""IAM policies as decisions: which bindings are ours, and how a policy changes."""
