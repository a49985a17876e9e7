"""The operator's process is killed at each of its calls to the outside, one after the other, and started again."""
