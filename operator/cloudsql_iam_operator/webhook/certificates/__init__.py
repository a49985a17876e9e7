"""The certificates of the webhook: made, kept in the cluster, served."""
