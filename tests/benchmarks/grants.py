"""The grants engine on a big database: a full pass, a quiet tick, one new table, one first grant; baselines beside."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg.conninfo import make_conninfo

from benchmarks import baselines, ground, peers
from benchmarks.figures import Figure, median
from benchmarks.memory import cpu_seconds, own_peak
from benchmarks.relay import Relay
from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.ledger import ledger_of
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Memory, Passed
from support.granting.setting import Place, Setting

REPEATS = 9
NEW_TABLES = 5
TICKS = 12
CHANGES_OF_OTHERS = 1_000
Wants = Mapping[Key, GrantWant]


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took: seconds, and bytes of write-ahead log."""

    seconds: float
    wal: int


def measure() -> Sequence[Figure]:
    """Everything in issue order, on one server."""
    with Setting() as setting:
        place, wants = ground.filled(setting), ground.wanted()
        _say("the database is filled")
        everything = [*_first(place, wants)]
        recorded = {key: replace(want, ledger=ledger_of(want.entries)) for key, want in wants.items()}
        everything += [*_quiet(place, recorded), *_one_new_table(place, recorded)]
        _say("one table more is granted")
        if peers.asked(os.environ):
            everything += peers.compared(place, everything)
            _say("the peer is measured")
        everything += [*_of_others(place, recorded), *_columns(setting)]
        _say("others' changes and columns are measured")
        return [*everything, *_shapes(setting)]


def _first(place: Place, wants: Wants) -> Sequence[Figure]:
    before = own_peak()
    passed, cost = _run(place, wants)
    _whole(passed)
    place.sql("vacuum analyze")
    _say("everything is granted")
    return [
        Figure("entries accepted, grantee × schema × kind", _entries(wants), "entries", 10_000, at_least=True),
        Figure("first grant of everything", cost.seconds, "s"),
        Figure("first grant of everything, WAL", cost.wal / 1e6, "MB"),
        Figure("memory of the process before it", before, "MiB"),
    ]


def _quiet(place: Place, wants: Wants) -> Sequence[Figure]:
    memory = place.run(wants).memory
    full = [_idle(place, wants) for _ in range(REPEATS)]
    ticks = [_idle(place, wants, memory) for _ in range(REPEATS)]
    return [
        Figure("full pass, nothing to do", median([cost.seconds for cost in full]), "s", 0.25),
        Figure("full pass, fastest", min(cost.seconds for cost in full), "s"),
        Figure("full pass, processor time of operator and server", _busy(place, wants), "s"),
        Figure("full pass, WAL, median", median([cost.wal for cost in full]), "bytes"),
        Figure("full pass, round trips after the login", _trips(place, wants), "trips", 3),
        Figure("memory of the process, peak so far", own_peak(), "MiB", 150),
        *_exploded(place),
        Figure("steady tick", median([cost.seconds for cost in ticks]) * 1000, "ms", 40),
        Figure("steady tick, fastest", min(cost.seconds for cost in ticks) * 1000, "ms"),
        Figure("steady tick, processor time of operator and server", _busy(place, wants, memory) * 1000, "ms"),
        Figure("steady tick, WAL", max(cost.wal for cost in ticks), "bytes", 0),
    ]


def _one_new_table(place: Place, wants: Wants) -> Sequence[Figure]:
    """From the table's commit to the privileges held and seen, the login included; several tables, one by one."""
    granted = [_granted(place, wants, f"fresh{number}") for number in range(NEW_TABLES)]
    return [
        Figure("one new table under a wildcard", median([cost.seconds for _, cost in granted]), "s", 0.3),
        Figure("one new table, fastest", min(cost.seconds for _, cost in granted), "s"),
        Figure("one new table, statements, most", max(statements for statements, _ in granted), "", 3),
        Figure("one new table, WAL, most", max(cost.wal for _, cost in granted) / 1000, "kB", 50),
        *_one_new_table_one_by_one(place),
    ]


def _granted(place: Place, wants: Wants, table: str) -> tuple[int, Cost]:
    """How many statements a new table takes, and what that costs."""
    place.sql(f"set role app_owner; create table s7.{table} (id int)")
    passed, cost = _run(place, wants)
    return len({text for answer in _whole(passed) for text in answer.executed}), cost


def _one_new_table_one_by_one(place: Place) -> Sequence[Figure]:
    """The baseline grants every table of the schema to everybody again, as engines do that do not look first."""
    tables = [("s7", "fresh0"), *(("s7", f"t{number}") for number in range(1, 101))]
    before = _written(place)
    seconds, statements = baselines.granted_one_by_one(_dsn(place), tables, ground.grantees(7))
    return [
        Figure("  baseline, statement per object and role", seconds, "s"),
        Figure("  baseline, statements", statements, ""),
        Figure("  baseline, WAL", (_written(place) - before) / 1000, "kB"),
    ]


def _exploded(place: Place) -> Sequence[Figure]:
    """The baseline's memory is its own: it runs in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, rows, peak = pool.apply(baselines.exploded, (_dsn(place),))
    return [
        Figure("  baseline, every privilege a row", seconds, "s"),
        Figure("  baseline, rows", rows, "rows"),
        Figure("  baseline, memory", peak, "MiB"),
    ]


def _trips(place: Place, wants: Wants) -> int:
    """How often a pass waits for the server, less what logging in and leaving takes."""
    with Relay(place.cluster.socket_path) as relay:
        connect = plain(lambda database: make_conninfo(place.cluster.dsn("op", database), host=relay.host))
        connect(place.name).close()
        login = relay.trips
        run_pass(replace(place.access(), connect=connect), place.name, wants, {}, None)
        return relay.trips - 2 * login


def _of_others(place: Place, wants: Wants) -> Sequence[Figure]:
    """An hour of ticks, one each five minutes, in which others make a thousand changes between them."""
    memory = place.run(wants).memory
    postmaster = ground.postmaster(place)
    spent = 0.0
    for tick in range(TICKS):
        changes = CHANGES_OF_OTHERS // TICKS + (tick < CHANGES_OF_OTHERS % TICKS)
        place.sql("; ".join(f"create table s{n % ground.SCHEMAS + 1}.hour{tick}_{n} (id int)" for n in range(changes)))
        before = cpu_seconds(postmaster)
        memory = place.run(wants, memory=memory).memory
        spent += cpu_seconds(postmaster) - before
    return [Figure("an hour of ticks with 1,000 changes by others, server CPU", spent, "s", 2)]


def _columns(setting: Setting) -> Sequence[Figure]:
    place, wants = ground.wide(setting)
    passed, cost = _run(place, wants)
    _whole(passed)
    return [Figure("100 grantees x 40 tables x 200 columns, applied", cost.seconds, "s", 10)]


def _shapes(setting: Setting) -> Sequence[Figure]:
    """Server time of a first grant to 20 roles, and of the same with a statement for each table and role."""
    roles, wants = ground.grantees(0), ground.tables_only(ground.grantees(0))
    ours, theirs = (ground.filled(setting, ground.BARE) for _ in range(2))
    us = _server_seconds(ours, lambda: _whole(_run(ours, wants)[0]))
    them = _server_seconds(theirs, lambda: baselines.granted_one_by_one(_dsn(theirs), ground.BARE_TABLES, roles))
    return [
        Figure("first grant of 20 roles on 10,000 tables, server CPU", us, "s"),
        Figure("  baseline, statement per object and role, server CPU", them, "s"),
        Figure("  baseline's server CPU over ours", them / us, "times", 5, at_least=True),
    ]


def _server_seconds(place: Place, work: Callable[[], object]) -> float:
    postmaster = ground.postmaster(place)
    before = cpu_seconds(postmaster)
    work()
    return cpu_seconds(postmaster) - before


def _dsn(place: Place) -> str:
    return place.cluster.dsn("op", place.name)


def _idle(place: Place, wants: Wants, memory: Memory | None = None) -> Cost:
    """The cost of a pass that finds nothing to do; its answers are dropped, as the operator drops those of the last."""
    passed, cost = _run(place, wants, memory)
    if not passed.clean:
        raise RuntimeError("a pass with nothing to do did something")
    return cost


def _busy(place: Place, wants: Wants, memory: Memory | None = None) -> float:
    """Processor seconds of an idle pass, which others on the machine lengthen less than its time on the clock."""
    ours = time.process_time()
    theirs = _server_seconds(place, lambda: [place.run(wants, memory=memory).clean for _ in range(REPEATS)])
    return (theirs + time.process_time() - ours) / REPEATS


def _run(place: Place, wants: Wants, memory: Memory | None = None) -> tuple[Passed, Cost]:
    return _costing(place, lambda: place.run(wants, memory=memory))


def _costing(place: Place, work: Callable[[], Passed]) -> tuple[Passed, Cost]:
    before = _written(place)
    began = time.perf_counter()
    passed = work()
    seconds = time.perf_counter() - began
    return passed, Cost(seconds, _written(place) - before)


def _written(place: Place) -> int:
    high, low = place.cluster.wal_position().split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _whole(passed: Passed) -> list[GrantAnswer]:
    """The answers of a pass that had no problem; anything else would not be what was to be measured."""
    answers = [answer for answer in passed.answers.values() if isinstance(answer, GrantAnswer)]
    problems = [problem.message for answer in answers for problem in answer.problems]
    if problems or len(answers) != len(passed.answers):
        raise RuntimeError(f"the pass was not whole: {problems[:3]}")
    return answers


def _entries(wants: Wants) -> int:
    return sum(len(entry.roles) for want in wants.values() for entry in want.entries.privileges)


def _say(line: str) -> None:
    print(f"   grants: {line}", file=sys.stderr, flush=True)
