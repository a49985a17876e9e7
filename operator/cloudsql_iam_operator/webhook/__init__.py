"""The admission server, its certificate and the facts it answers from."""
