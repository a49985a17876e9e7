"""One writer for each thing outside that has many wishers: a project's policy, an instance's users, a database."""
