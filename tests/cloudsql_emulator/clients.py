"""Google's own Python client pointed at the emulator, as anybody whom a test wants to be."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.oauth2.credentials import Credentials
from googleapiclient import discovery, discovery_cache
from googleapiclient.errors import HttpError

from cloudsql_emulator.emulator import Emulator


def google_client(
    emulator: Emulator, service: str, version: str, member: str, scopes: Sequence[str] | None = None
) -> Any:
    """A client of one API, with a token of an IAM member."""
    make: Any = Credentials
    credentials = make(emulator.admin.mint_token(member, scopes))
    endpoint = {"api_endpoint": emulator.api_url}
    return discovery.build_from_document(_document(service, version), credentials=credentials, client_options=endpoint)


@functools.cache
def _document(service: str, version: str) -> Any:
    """What the client's package says of an API; read once, as it takes longer than a test's calls."""
    return json.loads(discovery_cache.get_static_doc(service, version))


def error_of(error: HttpError) -> Mapping[str, Any]:
    """What Google says about an error: code, message, errors, status, details."""
    told: Mapping[str, Any] = json.loads(error.content)["error"]
    return told
