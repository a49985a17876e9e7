"""The command line: `run` reconciles, `webhook` admits pods, `plan` and `inject` show what would be done."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.api.parsing.texts import printed
from cloudsql_iam_operator.handlers import logs

READERS = ("plan", "inject")
"""Verbs that read manifests and write to standard output only."""

UNUSED = "google.cloud.sqladmin_v1beta4"
"""What Google's connector loads for a kind of tunnel that the operator asks it for none of: 12 MiB."""

INJECT_STATUS = (
    "Exit status: 0 done, 1 something was refused or could not be read (nothing is printed then), "
    "2 with --diff: there are changes."
)
PLAN_STATUS = "Exit status: 0 nothing to do, 2 statements would be executed, 1 something failed or waits."

PLANS = "show what DatabaseGrants would have executed, and write nothing"
INJECTS = "print manifests with the proxy in their pod templates, and write nothing"


class Verb(argparse.ArgumentParser):
    """The parser of one verb; `usage_status` is how wrong arguments end."""

    usage_status = 2

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and leave."""
        self.print_usage(sys.stderr)
        self.exit(self.usage_status, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb; the exit status: 0 well, 1 failed, 2 wrong arguments or settings. READERS have their own."""
    options = _parser().parse_args(arguments)
    logs.configure(os.environ.get("LOG_LEVEL", "WARNING" if options.verb in READERS else "INFO").upper())
    try:
        return int(options.act(options))
    except ValueError as error:
        print(f"cloudsql-iam-operator: {printed(str(error))}", file=sys.stderr)
        return 1 if options.verb in READERS else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudsql-iam-operator", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=Verb)
    verbs.add_parser("run", help="reconcile").set_defaults(act=_run)
    verbs.add_parser("webhook", help="serve pod admission").set_defaults(act=_webhook)
    _add_plan(verbs.add_parser("plan", help=PLANS, description=f"{PLANS.capitalize()}.", epilog=PLAN_STATUS))
    _add_inject(verbs.add_parser("inject", help=INJECTS, description=f"{INJECTS.capitalize()}.", epilog=INJECT_STATUS))
    return parser


def _add_plan(plan: Verb) -> None:
    _add_manifests(plan, _plan)
    plan.add_argument("-o", "--output", choices=("sql", "json"), default="sql", help="the form (default: sql)")
    plan.add_argument(
        "--offline", action="store_true", help="take CloudSQLInstances, and so what is allowed, from the manifests too"
    )
    plan.add_argument(
        "--operator-namespace", default=os.environ.get("POD_NAMESPACE", "default"), help="where secretRef looks"
    )


def _add_inject(inject: Verb) -> None:
    _add_manifests(inject, _inject)
    inject.add_argument("--diff", action="store_true", help="print what changes, not the manifests")
    inject.add_argument("--offline", action="store_true", help="know only what the manifests hold; ask no cluster")
    inject.add_argument(
        "--migrate", action="store_true", help="put annotations in the place of proxies v1 and v2, and inject nothing"
    )


def _add_manifests(verb: Verb, act: Callable[[argparse.Namespace], int]) -> None:
    verb.usage_status = 1  # 2 says that there are changes
    verb.set_defaults(act=act)
    verb.add_argument(
        "-f", "--filename", action="append", required=True, metavar="PATH", help="a manifest, a directory, or -"
    )
    verb.add_argument("-n", "--namespace", default="default", help="of objects that name none (default: default)")


def defer(name: str) -> None:
    """Have a package loaded only when something of it is asked for.

    Source: Python documentation, importlib, implementing lazy imports
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, module)  # where `from parent import child` looks first


def _run(_: argparse.Namespace) -> int:
    defer(UNUSED)
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


def _inject(options: argparse.Namespace) -> int:
    from cloudsql_iam_operator.cli.inject import Request, inject  # noqa: PLC0415
    from cloudsql_iam_operator.webhook.settings import injection_from  # noqa: PLC0415

    wanted = (options.diff, options.offline, options.migrate)
    answer = inject(Request(tuple(options.filename), options.namespace, *wanted), injection_from(os.environ))
    for line in answer.said:
        print(printed(line).replace("\n", " "), file=sys.stderr)
    print(answer.text, end="")
    return answer.status


if __name__ == "__main__":
    sys.exit(main())
