"""What DatabaseGrants would have executed, by the same way as mode Plan. Nothing is written anywhere."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, KINDS, Key
from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.access.roles import listed_roles
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.record import grant_record_in
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_checks import GrantChecks
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS, readable
from cloudsql_iam_operator.services.runtime.registry import Live

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """What one grant would have executed in a database ("" where that is not known).

    `problems` are why it may be less than what is declared.
    """

    key: Key
    instance: str = ""
    database: str = ""
    plan_hash: str = ""
    statements: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Declared:
    """A grant that got past every check: where it applies, what it wants, which grantees are missing."""

    instance: CloudSQLInstance
    database: str
    want: GrantWant
    missing: tuple[Problem, ...] = ()


class Previews:
    """Previews of grants among all that the cluster holds. Belongs to one event loop."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._checks = GrantChecks(systems)

    async def learn(self, bodies: Collection[Mapping[str, Any]], *, offline: bool = False) -> tuple[Key, ...]:
        """Read the cluster and put these objects over it, as if they had been applied; their keys.

        What an object's status records stays as the cluster has it. So do the instances, by which the platform team
        says what is allowed and as whom the operator logs in: only with `offline` those among the objects count.

        Raises:
            NotYet: the API server did not answer.
        """
        systems = self._systems
        found: dict[Key, Mapping[str, Any]] = {}
        for kind in KINDS:
            stored = await systems.threads.call(systems.cluster.list, kind, timeout=CLUSTER_SECONDS)
            found |= {_key(body): body for body in stored}
        taken = [body for body in bodies if offline or body["kind"] != INSTANCE.name]
        for body in bodies:
            if body not in taken:
                log.warning("%s of the manifests is not used, the cluster's is; --offline would use it", _key(body))
        found |= {_key(body): _applied(body, found.get(_key(body))) for body in taken}
        for key, body in found.items():
            systems.registry.put(key, body)
        systems.registry.listed = True
        return tuple(_key(body) for body in taken)

    async def of(self, keys: Collection[Key]) -> list[Preview]:
        """Previews of these grants, in the order of their databases.

        All other grants of the databases are asked what they want too, as they are in the operator.
        """
        lives = {key: live for key in keys if (live := self._systems.registry.get(key)) is not None}
        found = {key: await self._declared(live) for key, live in lives.items()}
        databases = {one.database for one in found.values() if isinstance(one, _Declared)}
        others = {key: await self._declared(live) for key, live in self._neighbours(databases, found).items()}
        answers = await self._answers({**others, **found})
        previews = [_preview(key, found[key], answers.get(key)) for key in found]
        return sorted(previews, key=lambda one: (one.instance, one.database, one.key))

    def _neighbours(self, databases: Collection[str], found: Collection[Key]) -> dict[Key, Live]:
        return {
            live.key: live
            for live in self._systems.registry.of_kind(GRANT.name)
            if live.key not in found
            and isinstance(live.spec, DatabaseGrant)
            and live.spec.database in databases
            and not live.deleting
        }

    async def _declared(self, live: Live) -> _Declared | Failure | None:
        """What the grant wants, or why that is not known; None while it is suspended."""
        try:
            spec = readable(live, DatabaseGrant)
            if spec.suspend:
                return None
            record = grant_record_in(live.status)
            instance = await self._checks.instance(spec)
            rule = await self._checks.allowed(spec, instance, record.admission)
            await self._checks.serving(instance)
            grantees = await self._checks.grantees(spec, record.ledger)
            entries = await self._checks.entries(spec, grantees.roles)
        except Failure as failure:
            return failure
        want = GrantWant(entries, record.ledger, spec.enforcement, dry=True)
        want = replace(want, found=record.found, listed=listed_roles(rule), cascade=rule.cascade)
        return _Declared(instance, spec.database, want, grantees.missing)

    async def _answers(
        self, wanted: Mapping[Key, "_Declared | Failure | None"]
    ) -> dict[Key, GrantAnswer | BaseException]:
        declared = {key: one for key, one in wanted.items() if isinstance(one, _Declared)}
        answers = await asyncio.gather(
            *(self._answer(key, one) for key, one in declared.items()), return_exceptions=True
        )
        return dict(zip(declared, answers, strict=True))

    async def _answer(self, key: Key, declared: _Declared) -> GrantAnswer:
        lane = await self._systems.database_lane(declared.instance, declared.database)
        return await lane.apply(key, declared.want)


def _preview(key: Key, found: _Declared | Failure | None, answer: GrantAnswer | BaseException | None) -> Preview:
    if found is None:
        return Preview(key)
    if isinstance(found, Failure):
        return Preview(key, problems=(Problem(found.reason, found.message),))
    here = Preview(key, str(found.instance.connection), found.database)
    if isinstance(answer, GrantAnswer):
        problems = (*found.missing, *answer.problems)
        return replace(here, plan_hash=answer.plan_hash, statements=answer.planned, problems=problems)
    if isinstance(answer, Failure):
        return replace(here, problems=(Problem(answer.reason, answer.message),))
    raise answer or LookupError(f"no answer for {key}")


def _key(body: Mapping[str, Any]) -> Key:
    metadata = body["metadata"]
    return Key(body["kind"], metadata.get("namespace") or "", metadata["name"])


def _applied(body: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """The object as the API server would hold it after an apply."""
    if before is not None:
        return {**before, "spec": body.get("spec")}
    now = instant_text(datetime.now(UTC))
    metadata = {"uid": "", "generation": 1, "creationTimestamp": now, **body["metadata"]}
    return {**body, "metadata": metadata, "status": {}}
