"""The HTTP APIs of the emulated Google Cloud; what they decide by is in `iam` and `instances`."""
