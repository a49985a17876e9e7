"""Figures of this project: one module a benchmark, run by `python -m benchmarks [NAME]`. No test is here."""
