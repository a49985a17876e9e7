"""Parsing what users write, once, at the edge: total over any JSON, each refusal names its field."""
