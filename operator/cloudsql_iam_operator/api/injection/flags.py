"""Annotations that are handed to the proxy as they are, each one flag of it."""

from cloudsql_iam_operator.api.injection.annotation import OLDEST, Annotation, Line, Version
from cloudsql_iam_operator.api.injection.values import PLAIN, arguments, boolean, duration, number_of, text_of


def _switch(name: str, effect: str, since: Version = OLDEST) -> Annotation[bool]:
    line = Line("`true`, `false`", "`false`", effect)
    return Annotation(name, boolean, False, line, flag=f"--{name}", since=since)


def _text(name: str, flag: str, values: str, otherwise: str, effect: str) -> Annotation[str]:
    return Annotation(name, text_of(PLAIN), "", Line(values, otherwise, effect), flag=flag)


LAZY_REFRESH = _switch("lazy-refresh", "Ask Google for certificates when one is needed, not ahead.", (2, 11, 0))
MAX_CONNECTIONS: Annotation[int | None] = Annotation(
    "max-connections",
    number_of(0, 1_000_000, "a number"),
    None,
    Line("0 or more", "no limit", "The most connections at a time; 0 is no limit."),
    flag="--max-connections",
)
MIN_SIGTERM_DELAY: Annotation[int | None] = Annotation(
    "min-sigterm-delay",
    duration,
    None,
    Line("a duration such as `30s`", "none; 5 s for an ordinary sidecar", "How long SIGTERM does not stop new logins."),
    flag="--min-sigterm-delay",
    since=(2, 12, 0),
)
MAX_SIGTERM_DELAY: Annotation[int | None] = Annotation(
    "max-sigterm-delay",
    duration,
    None,
    Line("a duration", "none; 20 s for an ordinary sidecar", "How long connections may take to close after SIGTERM."),
    flag="--max-sigterm-delay",
)
RUN_CONNECTION_TEST = _switch(
    "run-connection-test", "Prove the way to the instance at the start; a pod then fails when the instance is away."
)
QUIET = _switch("quiet", "Log errors only.", (2, 9, 0))
DEBUG_LOGS = _switch("debug-logs", "Log more.", (2, 9, 0))
TELEMETRY_PROJECT = _text(
    "telemetry-project", "--telemetry-project", "a project", "no telemetry", "Metrics and traces go to this project."
)
TELEMETRY_SAMPLE_RATE: Annotation[int | None] = Annotation(
    "telemetry-sample-rate",
    number_of(1, 1_000_000_000, "a number"),
    None,
    Line("1 or more", "the proxy's, 10000", "One trace for so many calls."),
    flag="--telemetry-sample-rate",
)
TELEMETRY_PREFIX = _text("telemetry-prefix", "--telemetry-prefix", "a text", "none", "How names of metrics begin.")
DISABLE_TRACES = _switch("disable-traces", "No traces with `telemetry-project`.")
DISABLE_METRICS = _switch("disable-metrics", "No metrics with `telemetry-project`.")
QUOTA_PROJECT = _text(
    "quota-project", "--quota-project", "a project", "that of the identity", "Calls of the Admin API are charged to it."
)
SQL_ADMIN_API_ENDPOINT = _text(
    "sql-admin-api-endpoint",
    "--sqladmin-api-endpoint",
    "an address that the chart's `webhook.proxy.allowedEndpoints` lists",
    "Google's",
    "Where the Admin API is.",
)
UNIVERSE_DOMAIN = _text(
    "universe-domain",
    "--universe-domain",
    "a domain that the chart's `webhook.proxy.allowedEndpoints` lists",
    "`googleapis.com`",
    "The universe of a sovereign cloud.",
)
EXTRA_ARGS: Annotation[tuple[str, ...]] = Annotation(
    "extra-args",
    arguments,
    (),
    Line(
        'JSON: `["--resource-exhausted-cooldown-delay=5s"]`',
        "none",
        "More flags of the proxy, where the chart's `webhook.proxy.extraArgs` is true; none that are set here.",
    ),
)

FLAGS: tuple[Annotation[object], ...] = (
    LAZY_REFRESH,
    MAX_CONNECTIONS,
    MIN_SIGTERM_DELAY,
    MAX_SIGTERM_DELAY,
    RUN_CONNECTION_TEST,
    QUIET,
    DEBUG_LOGS,
    TELEMETRY_PROJECT,
    TELEMETRY_SAMPLE_RATE,
    TELEMETRY_PREFIX,
    DISABLE_TRACES,
    DISABLE_METRICS,
    QUOTA_PROJECT,
    SQL_ADMIN_API_ENDPOINT,
    UNIVERSE_DOMAIN,
    EXTRA_ARGS,
)  # type: ignore[assignment]
