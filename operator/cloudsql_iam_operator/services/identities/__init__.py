"""As whom the operator acts: towards Google, and in the databases of an instance."""
