"""What an object caused, and what it only found."""
