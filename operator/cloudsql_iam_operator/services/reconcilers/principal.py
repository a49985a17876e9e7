"""Who a CloudSQLIAMUser is: its Google account, what proves it, and whether the instance's rules let it in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.google.service_accounts import WORKLOAD_IDENTITY_USER, Workload
from cloudsql_iam_operator.api.instance import AccountProof, CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, KubernetesServiceAccount
from cloudsql_iam_operator.core.access.rules import Allowed, Lifetime, UserRequest, allow_user
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, resolve
from cloudsql_iam_operator.services.identities.google import Identities
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS, tenant_of
from cloudsql_iam_operator.services.runtime.threads import Threads

IAM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Principals:
    """Resolves principals and asks the rules. `pool` is the cluster's workload pool, `PROJECT.svc.id.goog`."""

    cluster: Cluster
    threads: Threads
    identities: Identities
    pool: Callable[[], str]
    clock: Callable[[], datetime]

    async def resolved(self, spec: CloudSQLIAMUser) -> ResolvedPrincipal:
        """All names of the principal.

        Raises:
            NotYet: its ServiceAccount does not exist or names no Google account.
            Refused: its name cannot be a database user's.
        """
        if not isinstance(spec.principal, KubernetesServiceAccount):
            return resolve(spec.principal)
        namespace, name = spec.metadata.key.namespace, spec.principal.name
        account = await self.threads.call(self.cluster.google_account, namespace, name, timeout=CLUSTER_SECONDS)
        if account is None:
            text = f"there is no ServiceAccount {namespace}/{name}: create it, or correct spec.principal"
            raise NotYet(Reason.SERVICE_ACCOUNT_NOT_FOUND, text)
        return resolve(spec.principal, account, namespace)

    async def allowed(self, spec: CloudSQLIAMUser, instance: CloudSQLInstance, who: ResolvedPrincipal) -> Allowed:
        """The rule of the instance that lets the principal in.

        Raises:
            Refused: none does.
            NotYet: the rules could not be evaluated, so nothing is allowed.
        """
        tenant = await tenant_of(self.cluster, self.threads, spec.metadata.key.namespace)
        request = UserRequest(
            tenant=tenant,
            principal=spec.principal,
            email=who.email,
            proof=await self._proof(spec, instance, who),
            database_roles=spec.database_roles,
            adoption=spec.adoption_policy,
            lifetime=Lifetime(spec.expires_at, self.clock()),
        )
        try:
            return allow_user(instance.access, request)
        except Refused as refused:
            raise self._with_remedy(refused, request, instance) from refused

    async def _proof(self, spec: CloudSQLIAMUser, instance: CloudSQLInstance, who: ResolvedPrincipal) -> AccountProof:
        if not isinstance(spec.principal, KubernetesServiceAccount):
            return AccountProof.NONE
        if not _asks_for_proof(instance):
            return AccountProof.ANNOTATED
        outside = self.threads.of(str(instance.connection))
        google = await outside.call(self.identities.of, instance, timeout=IAM_SECONDS)
        pool = await outside.call(self.pool, timeout=IAM_SECONDS)
        workload = Workload(pool, spec.metadata.key.namespace, spec.principal.name)
        admitted = await outside.call(google.service_accounts.admits, who.email, workload, timeout=IAM_SECONDS)
        return AccountProof.VERIFIED if admitted else AccountProof.ANNOTATED

    def _with_remedy(self, refused: Refused, request: UserRequest, instance: CloudSQLInstance) -> Refused:
        if refused.reason is not Reason.PRINCIPAL_NOT_ALLOWED or not isinstance(
            request.principal, KubernetesServiceAccount
        ):
            return refused
        if request.proof is AccountProof.VERIFIED or not _asks_for_proof(instance):
            return refused
        member = Workload(self.pool(), request.tenant.name, request.principal.name).member
        text = f"{request.email} does not let {member} act as it: bind that member to {WORKLOAD_IDENTITY_USER} on it"
        return Refused(Reason.WORKLOAD_IDENTITY_MISMATCH, text)


def _asks_for_proof(instance: CloudSQLInstance) -> bool:
    return any(rule.principals.kubernetes_service_accounts is AccountProof.VERIFIED for rule in instance.access)
