"""The API server as the kubelet uses it: JSON in and out over a kubeconfig's client certificate. No typed objects."""

import base64
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import urllib3

Json = Mapping[str, Any]
"""An object as the API server sends it."""

SECONDS = 30.0
WATCH_SECONDS = 240
_MERGE, _APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


class Refused(RuntimeError):
    """The API server answered with an error; `status` is the HTTP status, `reason` Kubernetes' own word."""

    def __init__(self, what: str, status: int, body: Json) -> None:
        super().__init__(f"{what}: {status} {body.get('message', '')}")
        self.status = status
        self.reason = str(body.get("reason", ""))


class Api:
    """One connection pool, shared by all threads. The client certificate is kept as files in `directory`."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_text(cluster["certificate-authority-data"]))
        certificate, key = directory / "client.crt", directory / "client.key"
        for path, data in ((certificate, "client-certificate-data"), (key, "client-key-data")):
            path.touch(0o600)
            path.write_text(_text(user[data]))
        context.load_cert_chain(certificate, key)
        self._server = cluster["server"]
        self._pool = urllib3.PoolManager(maxsize=16, ssl_context=context, retries=urllib3.Retry(3, redirect=0))

    def get(self, path: str) -> Json:
        """An object or a list."""
        return self._ask("GET", path, None)

    def find(self, path: str) -> Json | None:
        """An object, or None when there is none."""
        try:
            return self.get(path)
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None

    def post(self, path: str, body: Json) -> Json:
        """What was created."""
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Json) -> Json:
        """The object after a merge patch."""
        return self._ask("PATCH", path, body, _MERGE)

    def apply(self, path: str, body: Json, manager: str) -> Json:
        """The object after a server-side apply that takes every field it names; unknown ones are refused."""
        return self._ask("PATCH", f"{path}?fieldManager={manager}&force=true&fieldValidation=Strict", body, _APPLY)

    def delete(self, path: str, body: Json) -> None:
        """Delete, with DeleteOptions."""
        self._ask("DELETE", path, body)

    def drop(self, path: str) -> None:
        """Delete, unless it is gone already."""
        try:
            self.delete(path, {})
        except Refused as refusal:
            if refusal.status != 404:
                raise

    def watch(self, path: str, version: str) -> Iterator[Json]:
        """Events since a version; ends when the server ends the watch, or says nothing for longer than that."""
        query = f"?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
        timeout = urllib3.Timeout(connect=SECONDS, read=WATCH_SECONDS + SECONDS)
        with self._pool.request("GET", self._server + path + query, preload_content=False, timeout=timeout) as answer:
            if answer.status != 200:
                raise Refused(f"watch of {path}", answer.status, _decoded(answer.read()))
            rest = b""
            for chunk in answer.stream(amt=None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line)

    def _ask(self, method: str, path: str, body: Json | None, kind: str = "application/json") -> Json:
        answer = self._pool.request(
            method,
            self._server + path,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": kind, "Accept": "application/json"},
            timeout=SECONDS,
        )
        decoded = _decoded(answer.data)
        if answer.status >= 300:
            raise Refused(f"{method} {path}", answer.status, decoded)
        return decoded


def _decoded(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except ValueError:
        return {"message": data[:200].decode(errors="replace")}
    return value if isinstance(value, dict) else {}


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
