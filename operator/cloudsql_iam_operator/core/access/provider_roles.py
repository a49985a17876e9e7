"""Roles that Cloud SQL itself makes in an instance, by exact name: a role of customers may begin like any of them."""

MARKERS = frozenset(
    {
        "cloudsqliamuser",
        "cloudsqliamserviceaccount",
        "cloudsqliamgroup",
        "cloudsqliamgroupuser",
        "cloudsqliamgroupserviceaccount",
        "cloudsqliamworkforceidentity",
        "cloudsqliamgroupworkforceidentity",
        "cloudsqlinactiveuser",
    }
)
"""Roles that only mark how a user logs in; every IAM user has one, and it gives no rights."""

SUPERUSER = "cloudsqlsuperuser"
"""What administrators are members of; the only one of these roles that anybody can be given, and only through the API.

Source: Cloud SQL for PostgreSQL, "Manage users with IAM database authentication", databaseRoles
"""

PROVIDER_ROLES = MARKERS | {
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlconnpooladmin",
    "cloudsqlimportexport",
    "cloudsqllogical",
    "cloudsqlobservability",
    "cloudsqlreplica",
    SUPERUSER,
}
"""All of them.

Source: roles of instances of PostgreSQL 10 to 18 as listed by psql's \\du; Cloud SQL documentation, PostgreSQL users
"""
