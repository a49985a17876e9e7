"""Who a CloudSQLIAMUser is: its Google account, what proves it, and whether the instance's rules let it in."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.google.service_accounts import Workload
from cloudsql_iam_operator.api.instance import AccountProof, CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, KubernetesServiceAccount
from cloudsql_iam_operator.core.access.admission import Admission
from cloudsql_iam_operator.core.access.roles import working_roles
from cloudsql_iam_operator.core.access.rules import Allowed, Lifetime, UserRequest, allow_user, require_namespace
from cloudsql_iam_operator.core.askers import Asker, on_workload_identity
from cloudsql_iam_operator.core.errors import NotYet, Proof, Refused, Withdrawn
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, resolve
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.identities.acting import Acting
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

    async def may_ask(self, spec: CloudSQLIAMUser, instance: CloudSQLInstance) -> None:
        """Return when a rule is for the user's namespace, without which nobody outside is asked about it.

        Raises:
            Refused: none is.
        """
        tenant = await tenant_of(self.cluster, self.threads, spec.metadata.key.namespace)
        require_namespace(instance.access, tenant)

    async def allowed(
        self, spec: CloudSQLIAMUser, instance: CloudSQLInstance, who: ResolvedPrincipal, admission: Admission
    ) -> Allowed:
        """The rule of the instance that lets the principal in; where it stands is asked before anybody outside.

        Raises:
            Refused: none does.
            NotYet: the rules could not be evaluated, so nothing is allowed.
        """
        tenant = await tenant_of(self.cluster, self.threads, spec.metadata.key.namespace)
        request = UserRequest(
            tenant=tenant,
            principal=spec.principal,
            email=who.email,
            proof=AccountProof.VERIFIED,
            database_roles=spec.database_roles,
            adoption=spec.adoption_policy,
            lifetime=Lifetime(spec.expires_at, self.clock(), admission.since),
            reserved=working_roles(instance),
        )
        believed = allow_user(instance.access, request)
        if spec.database_roles:  # the operator's own user is known to Google alone
            request = replace(request, operator=await self._own_username(instance))
            believed = allow_user(instance.access, request)
        if not isinstance(spec.principal, KubernetesServiceAccount):
            return believed
        try:
            return allow_user(instance.access, replace(request, proof=AccountProof.ANNOTATED))
        except Refused:
            if not await self.proven(instance, who.email, (tenant.name, spec.principal.name)):
                reason, text = self._unproven(who.email, (tenant.name, spec.principal.name))
                raise Refused(reason, text) from None
        return believed

    async def still_proven(self, instance: CloudSQLInstance, record: UserRecord, namespace: str) -> None:
        """Return when the recorded account lets the workload act as it, as it did when it was admitted.

        Raises:
            Withdrawn: it was read, and does not.
            Failure: it could not be read, which proves nothing.
        """
        workload = (namespace, record.account)
        if not await self.proven(instance, record.email, workload):
            reason, text = self._unproven(record.email, workload)
            raise Withdrawn(reason, text, Proof.IDENTITY)

    async def proven(self, instance: CloudSQLInstance, email: str, workload: tuple[str, str]) -> bool:
        """Whether an account's policy lets a workload, by namespace and name, act as it.

        Raises:
            Failure: the policy could not be read.
        """
        google = await self._acting.google(instance)

        def asked() -> bool:
            return google.service_accounts.admits(email, Workload(self.pool(), *workload))

        return await self.threads.of(str(instance.connection)).call(asked, timeout=IAM_SECONDS)

    async def _own_username(self, instance: CloudSQLInstance) -> str:
        if instance.admin.database.secret is not None:
            return ""
        return await self._acting.username(instance)

    @property
    def _acting(self) -> Acting:
        return Acting(self.identities, self.threads)

    def _unproven(self, email: str, workload: tuple[str, str]) -> tuple[Reason, str]:
        command = on_workload_identity(email).to(Asker(Workload(self.pool(), *workload).member))
        text = f"{email} does not let ServiceAccount {'/'.join(workload)} act as it; to let it: {command}"
        return Reason.WORKLOAD_IDENTITY_MISMATCH, text
