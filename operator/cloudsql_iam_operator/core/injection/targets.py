"""What a pod reaches: instances, each with how it is dialled and as whom the application logs in there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.access import AUTO_IAM_AUTHN, DATABASE, INJECT, INSTANCES, IP_TYPE, USER, Way
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import ENV, PORT, UNIX_SOCKET, Environment
from cloudsql_iam_operator.api.injection.instances import Address, InstanceWish
from cloudsql_iam_operator.core.injection.facts import InstanceFact, UserFact
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal

MOST_PATH = 107
"""Bytes of a Unix socket's path. Source: Linux, unix(7), sun_path with its end."""

OF_OTHERS = {3306: "MySQL", 1433: "SQL Server"}
"""Ports by which a server of another kind is meant."""

SOCKET = ".s.PGSQL.5432"
"""Name of a PostgreSQL socket, after the port that clients take for granted."""


@dataclass(frozen=True, slots=True)
class Login:
    """A CloudSQLIAMUser on its instance, and the name to log in with."""

    user: UserFact
    instance: InstanceFact
    username: str


@dataclass(frozen=True, slots=True)
class Target:
    """One instance. `key` names it among several; `iam`: the proxy logs in by IAM.

    `username` and `database` are "" when the application has to know. `port` is None, and `socket` a directory, where
    the proxy listens on a Unix socket; while ports are not chosen yet, `port` is the one that was asked for.
    """

    key: str
    connection: str
    address: Address
    iam: bool
    username: str
    database: str
    port: int | None
    socket: str

    @property
    def directory(self) -> str:
        """Where the socket is, for a client; the proxy makes a directory for each instance."""
        return f"{self.socket}/{self.connection}"


def targets(wishes: Wishes, logins: Sequence[Login]) -> tuple[Target, ...]:
    """The instances of the users, in their order, then those that the pod names itself.

    Raises:
        Refusal: two of them are the same, or cannot go together.
    """
    wished = {wish.name: wish for wish in wishes[INSTANCES]}
    found = (
        *(_of_login(wishes, login, wished.pop(login.instance.connection, None)) for login in logins),
        *(_of_wish(wishes, wish) for wish in wished.values()),
    )
    if wishes[INJECT].way is Way.SIDECAR and wishes[ENV] is not Environment.NONE:
        _refuse_others(found[len(logins) :], None if logins else wishes[PORT])
    _check(found)
    return found


def database_warnings(wishes: Wishes, logins: Sequence[Login]) -> Iterator[str]:
    """That the database that is asked for is none that the users are granted, or that there is none to name."""
    for login in logins:
        granted, name = login.user.databases, login.user.name
        if DATABASE in wishes:
            if granted and wishes[DATABASE] not in granted:
                yield f"{DATABASE} is {wishes[DATABASE]}, and CloudSQLIAMUser {name} is granted {', '.join(granted)}"
        elif len(granted) != 1:
            text = f"is granted several databases ({', '.join(granted)})" if granted else "is granted no database yet"
            yield f"PGDATABASE is not set, as CloudSQLIAMUser {name} {text}: set {DATABASE}"


def address_warnings(found: Sequence[Target], logins: Sequence[Login]) -> Iterator[str]:
    """That an instance has no address of the kind by which it is dialled, where its status says which it has."""
    for target, login in zip(found, logins, strict=False):
        instance = login.instance
        if instance.has and target.address is not Address.AUTO and str(target.address).upper() not in instance.has:
            there = ", ".join(instance.has).lower()
            yield (
                f"CloudSQLInstance {instance.name} has no {target.address} address, and the proxy dials that: set "
                f"{IP_TYPE} to what it has ({there}), or ask for ipType in the CloudSQLInstance"
            )


def _of_login(wishes: Wishes, login: Login, wish: InstanceWish | None) -> Target:
    address = Address(login.instance.ip_type.lower())
    granted = login.user.databases
    database = wishes[DATABASE] or (granted[0] if len(granted) == 1 else "")
    iam = wishes[AUTO_IAM_AUTHN]
    named = wish or InstanceWish(login.instance.connection)
    return _target(
        wishes, login.user.name, named, address, iam=iam is not False, username=login.username, database=database
    )


def _of_wish(wishes: Wishes, wish: InstanceWish) -> Target:
    key = wish.name.rpartition(":")[2] if ":" in wish.name else wish.name.partition(".")[0]
    iam = wishes[AUTO_IAM_AUTHN]
    return _target(wishes, key, wish, Address.PUBLIC, iam=iam is True, username="", database=wishes[DATABASE])


def _target(
    wishes: Wishes, key: str, wish: InstanceWish, address: Address, *, iam: bool, username: str, database: str
) -> Target:
    return Target(
        key=key,
        connection=wish.name,
        address=wish.address or wishes[IP_TYPE] or address,
        iam=iam,
        username=username,
        database=database,
        port=wish.port,
        socket=wish.socket or ("" if wish.port else wishes[UNIX_SOCKET]),
    )


def _refuse_others(found: Sequence[Target], first: int | None) -> None:
    """Refuse instances of nobody whose port, or the `first` of all, is that of another kind of server."""
    for number, target in enumerate(found):
        port = target.port or (first if number == 0 and not target.socket else None)
        if port in OF_OTHERS:
            raise Refusal(
                Code.ANNOTATION,
                f"{INSTANCES} names {target.connection}, with {port}, the port of {OF_OTHERS[port]}, and the variables "
                f"of the proxy are for PostgreSQL: set {ENV} to none for a proxy alone",
            )


def _check(found: Sequence[Target]) -> None:
    if len(found) > 1:
        _check_together(found)
    long = next((t for t in found if t.socket and len(f"{t.directory}/{SOCKET}") > MOST_PATH), None)
    if long is not None:
        raise Refusal(
            Code.ANNOTATION,
            f"{UNIX_SOCKET}: {long.directory}/{SOCKET} is longer than the {MOST_PATH} bytes of a socket's path; "
            f"choose a shorter directory, or {PORT}",
        )


def _check_together(found: Sequence[Target]) -> None:
    connections = [target.connection for target in found]
    twice = next((one for one in connections if connections.count(one) > 1), "")
    if twice:
        raise Refusal(Code.ANNOTATION, f"{USER} names two users of {twice}: a proxy logs in there as one of them")
    keys = [_letters(target.key) for target in found]
    same = next((target.key for target in found if keys.count(_letters(target.key)) > 1), "")
    if same:
        raise Refusal(Code.ANNOTATION, f"two instances would have variables of the same names ({same}): leave one out")
    if len({target.address for target in found}) > 1 and any(t.address is Address.AUTO for t in found):
        raise Refusal(Code.ANNOTATION, f"{IP_TYPE}: auto is for all instances of a proxy, and one has another")


def _letters(key: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in key).upper()
