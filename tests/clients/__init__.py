"""Real clients of Cloud SQL, in several languages and unchanged, against the emulator under Google's own names."""
