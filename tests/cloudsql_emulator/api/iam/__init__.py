"""Methods of Resource Manager, IAM and IAM Credentials, and the policies that two of them share."""
