"""The chain: control plane, emulator, chart and workloads together, for the demo and for the end-to-end tests."""
