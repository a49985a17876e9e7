"""What is done about pods that run already."""
