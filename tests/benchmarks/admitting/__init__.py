"""Parts of the admission benchmark: servers in processes of their own, and a load from another."""
