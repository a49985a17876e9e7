"""Database users as decisions: names of a principal, who claims one, what is recorded, what changes."""
