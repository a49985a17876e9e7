"""What a database shows: roles, objects, who holds what, and in whose name the operator may act."""
