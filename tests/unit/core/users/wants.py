"""A want that the plans for database users are tried on, and what it is about."""

from datetime import UTC, datetime

from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import UserWant
from cloudsql_iam_operator.core.users.principals import UserType

NAME = "checkout@acme-prod.iam"
OLDER = datetime(2026, 1, 1, tzinfo=UTC)
NEWER = datetime(2026, 2, 1, tzinfo=UTC)
WANT = UserWant(UserClaim(NAME, OLDER, "uid-1", "orders/checkout"), UserType.SERVICE_ACCOUNT)
