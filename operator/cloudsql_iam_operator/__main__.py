"""The command line: `run` reconciles, `webhook` admits pods, `plan` shows what grants would have executed."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.api.parsing.texts import printed
from cloudsql_iam_operator.handlers import logs

PLAN_STATUS = "Exit status: 0 nothing to do, 2 statements would be executed, 1 something failed or waits."


class Verb(argparse.ArgumentParser):
    """The parser of one verb; `usage_status` is how wrong arguments end."""

    usage_status = 2

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and leave."""
        self.print_usage(sys.stderr)
        self.exit(self.usage_status, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; the exit status: 0 well, 1 failed, 2 wrong arguments or settings. That of `plan` is its own."""
    options = _parser().parse_args(arguments)
    logs.configure(os.environ.get("LOG_LEVEL", "WARNING" if options.verb == "plan" else "INFO").upper())
    try:
        return int(options.act(options))
    except ValueError as error:
        print(f"cloudsql-iam-operator: {printed(str(error))}", file=sys.stderr)
        return 1 if options.verb == "plan" else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudsql-iam-operator", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Verb)
    verbs.add_parser("run", help="reconcile").set_defaults(act=_run)
    verbs.add_parser("webhook", help="serve pod admission").set_defaults(act=_webhook)
    what = "show what DatabaseGrants would have executed, and write nothing"
    plan = verbs.add_parser("plan", help=what, description=f"{what.capitalize()}.", epilog=PLAN_STATUS)
    plan.usage_status = 1  # 2 says that there are changes
    plan.set_defaults(act=_plan)
    plan.add_argument(
        "-f", "--filename", action="append", required=True, metavar="PATH", help="a manifest, a directory, or -"
    )
    plan.add_argument("-n", "--namespace", default="default", help="of objects that name none (default: default)")
    plan.add_argument("-o", "--output", choices=("sql", "json"), default="sql", help="the form (default: sql)")
    plan.add_argument(
        "--offline", action="store_true", help="take CloudSQLInstances, and so what is allowed, from the manifests too"
    )
    plan.add_argument(
        "--operator-namespace", default=os.environ.get("POD_NAMESPACE", "default"), help="where secretRef looks"
    )
    return parser


def _run(_: argparse.Namespace) -> int:
    from cloudsql_iam_operator.handlers.run import run  # noqa: PLC0415 - each process loads only its own half
    from cloudsql_iam_operator.handlers.settings import settings_from  # noqa: PLC0415

    return run(settings_from(os.environ))


def _webhook(_: argparse.Namespace) -> int:
    from cloudsql_iam_operator.webhook.serve import serve  # noqa: PLC0415
    from cloudsql_iam_operator.webhook.settings import from_environment  # noqa: PLC0415

    return serve(from_environment(os.environ))


def _plan(options: argparse.Namespace) -> int:
    from cloudsql_iam_operator.cli.plan import Request, plan  # noqa: PLC0415

    where = (tuple(options.filename), options.namespace, options.operator_namespace)
    request = Request(*where, options.output, options.offline)
    text, status = plan(request, os.environ)
    print(text, end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
