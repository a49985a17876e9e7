"""What a DatabaseGrant asks of an instance's rules: as it declares it, and as what is recorded of it comes to."""

from datetime import datetime

from cloudsql_iam_operator.api.grant import DatabaseGrant, RoleRef
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.core.access.powers import powers_of, recorded_powers
from cloudsql_iam_operator.core.access.roles import working_roles
from cloudsql_iam_operator.core.access.rules import GrantRequest, Lifetime
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, expanded
from cloudsql_iam_operator.core.grants.desired.ledger import (
    Ledger,
    granted,
    of_the_future,
    of_the_memberships,
    roles_in,
)
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord


def declared_request(
    spec: DatabaseGrant, instance: CloudSQLInstance, tenant: Tenant, lifetime: Lifetime
) -> GrantRequest:
    """What a grant asks of its instance."""
    whole = expanded(spec)
    schemas = {schema for entry in whole.grants for schema in entry.schemas} | {
        e.schema for e in whole.future if e.schema
    }
    schemas |= {schema for entry in whole.public for schema in entry.schemas}
    privileges = {p for entry in whole.grants for p in entry.privileges}
    privileges |= {p for entry in whole.future for p in entry.privileges}
    roles = {m.role for m in whole.memberships} | {g.name for g in whole.grantees if isinstance(g, RoleRef)}
    return GrantRequest(
        tenant=tenant,
        database=spec.database,
        schemas=tuple(sorted(schemas)),
        privileges=tuple(sorted(privileges)),
        roles=tuple(sorted(roles)),
        lifetime=lifetime,
        powers=powers_of(whole),
        owners=tuple(sorted({owner for entry in whole.future for owner in entry.owners})),
        reserved=working_roles(instance),
    )


def recorded_request(
    record: GrantRecord, ledger: Ledger, instance: CloudSQLInstance, tenant: Tenant, now: datetime
) -> GrantRequest:
    """What recorded entries of a grant come to."""
    ledger = granted(ledger)
    memberships, future = of_the_memberships(ledger), of_the_future(ledger)
    plain = roles_in(ledger) - record.holders.keys()
    return GrantRequest(
        tenant=tenant,
        database=record.database,
        schemas=tuple(sorted({entry.schema for entry in ledger if entry.schema})),
        privileges=tuple(sorted({p for entry in ledger - memberships for p in entry.privileges})),
        roles=tuple(sorted(plain | {name for entry in memberships for name in entry.names})),
        lifetime=Lifetime(record.admission.until, now, record.admission.since),
        powers=recorded_powers(ledger),
        owners=tuple(sorted({name for entry in future for name in entry.names} - {EVERY})),
        reserved=working_roles(instance),
    )
