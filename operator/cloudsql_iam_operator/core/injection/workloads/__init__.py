"""Workloads that make pods, as their authors write them: what their pods will meet."""
