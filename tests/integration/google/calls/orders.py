"""What tests of single calls are about: one instance, one user of it, and an operation that is done."""

from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.users.principals import UserType

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
CHECKOUT = NewUser("checkout@acme-prod.iam", UserType.SERVICE_ACCOUNT)
DONE = {"kind": "sql#operation", "name": "op-1", "status": "DONE", "operationType": "CREATE_USER"}
