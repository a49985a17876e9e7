"""What one role has on a server: what it is a member of, what it owns, and giving that to another role."""
