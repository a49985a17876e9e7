"""What happens to one object of each kind, from its spec to its status."""
