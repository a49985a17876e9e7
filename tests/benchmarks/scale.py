"""Scale: what many users and grants cost on the chain, from the first apply to the last deletion, and how it grows.

`SCALE="200 10000"` measures fleets of so many objects instead. Half of them are users, half are grants, on six
instances in two projects, or in more where a policy has no room for so many. Limits in seconds are for two cores that
nobody else uses.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.figures import Figure, percentile, table
from benchmarks.floor import floor
from benchmarks.memory import resident, used
from controlplane import binaries
from controlplane.addresses import FIRST_INSTANCE
from e2e import chain, world
from e2e.cloud import Cloud
from e2e.fleet import READ, Calls, Fleet, Place, account
from e2e.scenes import Stage
from e2e.tenant import API
from e2e.waiting import eventually

SIZES = (200, 1000, 2000, 5000)
"""Objects; 1,000 users with a grant each are 2,000."""

PROJECTS, INSTANCES = 2, 6
"""At least."""

PROJECT_USERS = 700
"""With two bindings each: a policy holds 1,500 principals."""

FLOORS, WAVE = 4.0, 1000
"""How many times longer a wave of so many objects may take than the API server needs for it when nothing else runs."""

LONG = 2000
"""A wave of so many objects costs a handful of calls a place, a longer one more: its first do not wait for its last."""

EDITS = 20
LIMIT = 3600.0
OPERATOR = "cloudsql_iam_operator run"
GET, SET = "cloudresourcemanager.projects.getIamPolicy", "cloudresourcemanager.projects.setIamPolicy"
LIST = "sql.users.list"


def measure() -> Sequence[Figure]:
    """Play every size on one chain, the smallest first, and compare what an object costs."""
    sizes = [int(size) for size in os.environ.get("SCALE", "").split()] or SIZES
    users = max(sizes) // 2
    places = _places(users)
    told = chain.settings(binaries.ensure(_say), lambda config: enlarged(config, users, places))
    parts = chain.started(told, _say)
    try:
        stage = Stage(parts, Cloud(parts.directory))
        namespaces = [f"fleet-of-{size}" for size in sizes]
        for name in namespaces:
            stage.chain.kubectl.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        each = floor(stage, places)
        _say(f"{1000 * each:.1f} ms of the machine for what the API server alone does for an object")
        rounds = [
            _Round(stage, Fleet(stage, name, size // 2, places), each)
            for name, size in zip(namespaces, sizes, strict=True)
        ]
        figures = [figure for each in rounds for figure in each.play()]
        return [*figures, *_growth(rounds[0], rounds[-1])]
    finally:
        parts.stop()


class _Round:
    """One fleet from apply to gone."""

    def __init__(self, stage: Stage, fleet: Fleet, floor_each: float) -> None:
        self.stage = stage
        self.floor = floor_each * 2 * fleet.size
        self.fleet = fleet
        self.objects = 2 * fleet.size
        self.interval = max(30, self.objects // 25)
        self.seconds = 0.0
        self.processor = 0.0

    def play(self) -> Sequence[Figure]:
        """Measure, and leave nothing behind."""
        declare_instances(self.stage, self.interval, self.fleet.places)
        figures = [figure for part in self._parts() for figure in _shown(part())]
        return [Figure(f"{self.objects}: {f.what}", f.value, f.unit, f.limit) for f in figures]

    def _parts(self) -> Sequence[Callable[[], Sequence[Figure]]]:
        return self._wave, self._rest, self._edits, self._restart, self._memory, self._deletion

    def _wave(self) -> Sequence[Figure]:
        start, began, processor = self.fleet.position(), time.monotonic(), used(os.getpid(), OPERATOR)
        self.fleet.declare()
        self.fleet.ready(LIMIT)
        self.seconds = time.monotonic() - began
        self.processor = used(os.getpid(), OPERATOR) - processor
        calls = self.fleet.calls(start)
        _say(f"{self.objects} objects Ready after {self.seconds:.1f} s")
        floors = FLOORS if self.objects >= WAVE else None  # in few objects the time that is gathered weighs most
        long = max(1.0, self.objects / LONG)
        return [
            Figure("apply to all Ready", self.seconds, "s", max(10.0, 0.03 * self.objects)),
            Figure("of that, what the API server alone needs", self.floor, "s"),
            Figure("apply to all Ready, in times of that", self.seconds / self.floor, "times", floors),
            Figure("the operator's processor time until then", self.processor, "s"),
            Figure("users.list on the way, most of an instance", calls.most(LIST), "calls", 10 * long),
            Figure("getIamPolicy on the way, most of a project", calls.most(GET), "calls", 6 * long),
            Figure("setIamPolicy on the way, most of a project", calls.most(SET), "calls", 6 * long),
            Figure("users.insert on the way", calls.all("sql.users.insert"), "calls", self.fleet.size),
            Figure("sessions on the way, most of a database", calls.most("login"), "sessions", 20),
        ]

    def _rest(self) -> Sequence[Figure]:
        self._settled()
        start, versions = self.fleet.position(), self.fleet.versions()
        projects = {place.project for place in self.fleet.places}
        twice = {LIST: len(self.fleet.places), GET: len(projects)}
        eventually(
            lambda: all(self.fleet.calls(start).twice(method) == count for method, count in twice.items()),
            "two looks at each instance and project",
            LIMIT,
        )
        calls = self.fleet.calls(start)
        later = self.fleet.versions()
        changed = sum(later.get(name) != version for name, version in versions.items())
        return [
            Figure("users.list at rest, an instance and interval", calls.pace(LIST, self.interval), "calls", 1),
            Figure("getIamPolicy at rest, a project and interval", calls.pace(GET, self.interval), "calls", 1),
            Figure("writes at rest", calls.writes + changed, "writes", 0),
        ]

    def _settled(self) -> None:
        def quiet() -> bool:
            start = self.fleet.position()
            eventually(
                lambda: self.fleet.calls(start).all(LIST) >= len(self.fleet.places), "a look at all users", LIMIT
            )
            return self.fleet.calls(start).writes == 0

        eventually(quiet, "nothing is left to do", LIMIT)

    def _edits(self) -> Sequence[Figure]:
        times = []
        for number in range(0, self.fleet.size, max(1, self.fleet.size // EDITS)):
            began = time.monotonic()
            self.fleet.edit(number)
            times.append(time.monotonic() - began)
        return [Figure("edit of a grant to Ready, p95", percentile(times, 95), "s", 1.5)]

    def _restart(self) -> Sequence[Figure]:
        start, began = self.fleet.position(), time.monotonic()
        self.fleet.restart()
        self.fleet.edit(1, READ)
        honoured = time.monotonic() - began
        eventually(lambda: self.fleet.reconciled() >= self.objects, "all were looked at", LIMIT)
        calls: Calls = self.fleet.calls(start)
        most = max(calls.most(method) for method in (GET, LIST, "login"))
        return [
            Figure("restart to an edit honoured", honoured, "s", 15.0),
            Figure("calls after a restart, most of a project, instance or database", most, "calls", 2),
            Figure("writes after a restart", calls.writes, "writes", 0),
        ]

    def _memory(self) -> Sequence[Figure]:
        limit = 200.0 if self.objects <= 2000 else 300.0
        return [Figure("RSS of the operator", max(resident(os.getpid(), OPERATOR)), "MiB", limit)]

    def _deletion(self) -> Sequence[Figure]:
        began = time.monotonic()
        self.fleet.delete(LIMIT)
        return [Figure("delete all", time.monotonic() - began, "s", max(10.0, 0.0225 * self.objects))]


def _shown(figures: Sequence[Figure]) -> Sequence[Figure]:
    """The same, which are on the screen too: a run takes long, and what breaks later must not take them away."""
    print(table("scale, so far", figures), file=sys.stderr, flush=True)
    return figures


def _places(users: int) -> Sequence[Place]:
    projects = max(PROJECTS, -(-users // PROJECT_USERS))
    each = -(-INSTANCES // projects)
    return [Place(f"i-{k}-{m}", f"fleet-{k}") for m in range(each) for k in range(projects)]


def enlarged(config: dict[str, Any], users: int, places: Sequence[Place]) -> dict[str, Any]:
    """The emulator's configuration with the fleet's projects, instances and accounts too."""
    text = json.dumps(world.policy())
    for k, name in enumerate(sorted({place.project for place in places})):
        role = f"projects/{name}/roles/cloudsqlIamOperator"
        policy = json.loads(text.replace(world.OPERATOR_ROLE, role))
        config["projects"].append({"id": name, "number": str(200_000_000_000 + k), "policy": policy})
        config["custom_roles"].append({"name": role, "permissions": list(world.OPERATOR_PERMISSIONS)})
    network, last = FIRST_INSTANCE.rsplit(".", 1)
    for number, place in enumerate(places, start=int(last) + 1):
        instance = world.instance() | {"project": place.project, "name": place.name, "address": f"{network}.{number}"}
        config["instances"].append(instance | {"log_statements": False})
    for number in range(users):
        config["service_accounts"].append({"email": account(number, places[number % len(places)].project)})
    return config


def declare_instances(stage: Stage, interval: int, places: Sequence[Place]) -> None:
    """Declare the CloudSQLInstances of the places, looked at each `interval` seconds."""
    for place in places:
        rule = {
            "name": "fleet",
            "namespaces": {"selector": {}},
            "principals": {"serviceAccounts": [f"u-*@{place.project}.iam.gserviceaccount.com"]},
            "databases": ["orders"],
            "schemas": ["app"],
            "privileges": ["CONNECT", "USAGE", "SELECT"],
        }
        metadata = {"name": place.name}
        spec = {
            "connectionName": f"{place.project}:europe-west1:{place.name}",
            "admin": {"database": {"ownerRoles": ["app_owner"]}},
            "access": [rule],
            "interval": f"{interval}s",
        }
        stage.chain.kubectl.declare({"apiVersion": API, "kind": "CloudSQLInstance", "metadata": metadata, "spec": spec})


def _growth(first: _Round, last: _Round) -> Sequence[Figure]:
    """What an object of the largest fleet costs, in parts of what one of the smallest does."""
    what = f"an object of {last.objects} against one of {first.objects}"
    seconds = (last.seconds / last.objects) / (first.seconds / first.objects)
    processor = (last.processor / last.objects) / (first.processor / first.objects)
    return [
        Figure(f"seconds of {what}", seconds, "times", 1.3),
        Figure(f"the operator's processor time of {what}", processor, "times", 1.3),
    ]


def _say(line: str) -> None:
    print(f"   scale: {line}", file=sys.stderr, flush=True)
