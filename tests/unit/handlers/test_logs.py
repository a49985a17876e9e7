"""What libraries say in the operator's log: run in processes of their own, as logging belongs to a whole process."""

import json
import os
import subprocess
import sys
from pathlib import Path

OPERATOR = Path(__file__).parents[3] / "operator"
TWENTY_AT_ONCE = """
import http.server, logging, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import os

from cloudsql_iam_operator.adapters.cluster import rest
from cloudsql_iam_operator.handlers import logs

together = threading.Barrier(20)

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        together.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True

server = Server(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
Path(os.environ["KUBECONFIG"]).write_text(
    "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],"
    " contexts: [{name: c, context: {cluster: k, user: u}}],"
    " clusters: [{name: k, cluster: {server: 'http://127.0.0.1:%d'}}]}" % server.server_port
)
logs.configure("INFO")
api = rest.connect()
with ThreadPoolExecutor(20) as pool:
    print(sum(answer == {} for answer in pool.map(lambda _: api.get("/x", (60, 60)), range(20))))
"""
A_REFUSAL = """
import logging

from cloudsql_iam_operator.handlers import logs

logs.configure("INFO")
for name in ("googleapiclient.http", "psycopg"):
    logging.getLogger(name).warning("Encountered 403 Forbidden")
    logging.getLogger(name).error("broken")
"""


def run(script: str, directory: Path) -> tuple[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(OPERATOR), "KUBECONFIG": str(directory / "kubeconfig")}
    environment.pop("KUBERNETES_SERVICE_HOST", None)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=180, check=True
    )
    return done.stdout, done.stderr


def test_as_many_calls_at_once_as_there_are_threads_and_watches_fill_no_pool(tmp_path: Path) -> None:
    assert run(TWENTY_AT_ONCE, tmp_path) == ("20\n", "")


def test_a_refusal_of_google_or_postgresql_is_told_by_our_own_verdict_alone(tmp_path: Path) -> None:
    told = run(A_REFUSAL, tmp_path)[1].splitlines()

    assert [json.loads(line)["message"] for line in told] == ["broken", "broken"]
