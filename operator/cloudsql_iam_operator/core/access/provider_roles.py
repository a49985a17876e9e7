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

PROVIDER_ROLES = MARKERS | {
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqlconnpooladmin",
    "cloudsqlimportexport",
    "cloudsqllogical",
    "cloudsqlobservability",
    "cloudsqlreplica",
    "cloudsqlsuperuser",
}
"""All of them.

Source: roles of instances of PostgreSQL 10 to 18 as listed by psql's \\du; Cloud SQL documentation, PostgreSQL users
"""
