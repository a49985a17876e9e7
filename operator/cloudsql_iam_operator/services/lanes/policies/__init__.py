"""What many CloudSQLIAMUsers want of one project's IAM policy, and how it is written as one."""
