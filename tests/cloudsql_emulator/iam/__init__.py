"""Who exists in the emulated Google Cloud and what each may do; no HTTP and no database here."""
