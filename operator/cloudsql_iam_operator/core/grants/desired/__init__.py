"""What a DatabaseGrant declares and what it caused, normalised."""
