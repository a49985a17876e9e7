"""The stories: what happens to an instance, a user, a grant, and the lanes that make many stories one pass."""
