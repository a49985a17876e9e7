"""Controls over HTTP: POST /emulator/v1/NAME with the arguments as a JSON object; the answer is {"result": …}."""

import dataclasses
from typing import Any

from aiohttp import web

from cloudsql_emulator.controls import Controls
from cloudsql_emulator.iam.directory import NoSuchAccount

PREFIX = "/emulator/v1/"


class ControlPort:
    """Serves every public method of Controls."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; GET does for a control without arguments."""
        name = request.path.removeprefix(PREFIX)
        control = None if name.startswith("_") or "/" in name else getattr(self._controls, name, None)
        if control is None:
            return web.json_response({"error": f"there is no control {name}"}, status=404)
        arguments = await request.json() if request.can_read_body else {}
        try:
            result = await control(**arguments)
        except (KeyError, TypeError, ValueError, NoSuchAccount) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({"result": _json(result)})


def _json(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
