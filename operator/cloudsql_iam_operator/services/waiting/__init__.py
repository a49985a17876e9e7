"""Who waits for room, and who is next. What is waited for is not known here."""
