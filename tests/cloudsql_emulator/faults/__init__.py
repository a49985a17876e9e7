"""Answers that Google would not give, or not now: what tests may ask for, and how a request meets it."""
