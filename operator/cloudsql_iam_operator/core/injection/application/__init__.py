"""What the containers of the application get: variables, and which containers they are."""
