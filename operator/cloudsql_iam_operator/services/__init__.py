"""What happens to an instance, a user and a grant, and the lanes that make many reconciles one pass."""
