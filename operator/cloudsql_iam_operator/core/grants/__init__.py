"""Privileges as decisions: from what DatabaseGrants declare and what a database holds to the statements between them.

The way of one pass: `entries` → `resolution` → `difference` and `memberships` → `statements`; `plan` walks it.
"""
