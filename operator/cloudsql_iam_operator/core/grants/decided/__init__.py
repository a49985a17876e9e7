"""What one pass decides: from what is desired and observed to operations, counts and problems."""
