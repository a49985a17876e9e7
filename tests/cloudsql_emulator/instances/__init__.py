"""Emulated Cloud SQL instances: their settings, users and operations; PostgreSQL and the data plane are beside."""
