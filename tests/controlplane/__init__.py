"""Stand-ins for a cluster that are as real as one machine allows: control plane processes and a process kubelet."""
