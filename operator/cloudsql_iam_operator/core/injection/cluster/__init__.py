"""What objects of the cluster tell the planner: ours, and those of a namespace that bear on a pod."""
