"""The command line: `run` reconciles, `webhook` admits pods. Later verbs have no placeholder here."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.handlers import logs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; the exit status: 0 well, 1 failed, 2 wrong arguments or settings."""
    parser = argparse.ArgumentParser(prog="cloudsql-iam-operator", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("verb", choices=sorted(_VERBS), help="run: reconcile; webhook: serve pod admission")
    verb = _VERBS[parser.parse_args(arguments).verb]
    logs.configure(os.environ.get("LOG_LEVEL", "INFO").upper())
    try:
        return verb(os.environ)
    except ValueError as error:
        print(f"cloudsql-iam-operator: {error}", file=sys.stderr)
        return 2


def _run(environment: Mapping[str, str]) -> int:
    from cloudsql_iam_operator.handlers.run import run  # noqa: PLC0415 - each process loads only its own half
    from cloudsql_iam_operator.handlers.settings import settings_from  # noqa: PLC0415

    return run(settings_from(environment))


def _webhook(environment: Mapping[str, str]) -> int:
    from cloudsql_iam_operator.webhook.serve import serve  # noqa: PLC0415
    from cloudsql_iam_operator.webhook.settings import from_environment  # noqa: PLC0415

    return serve(from_environment(environment))


_VERBS: Mapping[str, Callable[[Mapping[str, str]], int]] = {"run": _run, "webhook": _webhook}

if __name__ == "__main__":
    sys.exit(main())
