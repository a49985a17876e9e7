"""What happens to one object of each kind: instance, user, grant."""
