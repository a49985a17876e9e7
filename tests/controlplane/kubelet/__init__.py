"""The process kubelet: turns the pods of one Node into local processes. `python -m controlplane.kubelet` runs it."""
