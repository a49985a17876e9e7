"""Log lines as JSON with the names that Cloud Logging reads. What is logged is decided where it happens."""

import json
import logging
import sys
from datetime import UTC, datetime

from cloudsql_iam_operator.api.parsing.texts import printed

_QUIET = ("googleapiclient", "google", "urllib3", "httplib2", "kubernetes", "aiohttp", "leaderelection")


class JSONFormatter(logging.Formatter):
    """One line a record: severity, time, logger, message, and the object when kopf names one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        line = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            "message": printed(record.getMessage()),
        }
        reference = getattr(record, "k8s_ref", None)
        if reference:
            line["object"] = f"{reference.get('kind')} {reference.get('namespace') or ''}/{reference.get('name')}"
        if record.exc_info:
            line["stack"] = printed(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Send everything to standard error as JSON; libraries only from warnings up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # says at every token that it ignores a timeout which our connections have already
    logging.getLogger("google_auth_httplib2").setLevel(logging.ERROR)
    # warns of every refusal without naming an object; our own verdict names it, with what would help
    logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)
    # warns at every refused statement that it ends a pipeline; our own verdict names statement and role
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    logging.getLogger("kopf").setLevel(logging.WARNING if level == "INFO" else level)
