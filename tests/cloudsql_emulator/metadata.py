"""The metadata server of Compute Engine and GKE: every caller by its address is told its own identity and tokens.

Source: "About VM metadata"; GKE "Workload Identity Federation": the metadata server's answers as quoted in issues
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from cloudsql_emulator.api.journal import Happening
from cloudsql_emulator.api.oauth import token_json
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import Metadata
from cloudsql_emulator.faults.injection import suffer
from cloudsql_emulator.iam.access import account_resource
from cloudsql_emulator.iam.tokens import CLOUD_PLATFORM
from cloudsql_emulator.identities import Identities, Identity

FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
ROOT = "/computeMetadata/v1/"
ACCOUNTS = "instance/service-accounts/"
IMPERSONATION = "iam.serviceAccounts.getAccessToken"

_MISSING_BINDING = (
    "Unable to generate access token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' "
    "denied on resource (or it may not exist).\n"
    "This error could be caused by a missing IAM policy binding on the target IAM service account.\n"
    "For more information, refer to the Workload Identity documentation:\n"
    "\thttps://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to\n\n"
)
_MISSING_ACCOUNT = "Unable to generate access token; IAM returned 404 Not Found: Not found; Gaia id not found for email"


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request about the caller's own account; `wants` is the last part of the path."""

    request: web.Request
    identity: Identity
    wants: str

    @property
    def member(self) -> str:
        """Who the caller is to Google."""
        return f"serviceAccount:{self.identity.email}" if self.identity.email else str(self.identity.workload)


class MetadataServer:
    """Answers under /computeMetadata/v1/ and to the ping at /."""

    def __init__(self, cloud: Cloud, config: Metadata, identities: Identities) -> None:
        self._cloud = cloud
        self._config = config
        self._identities = identities
        self._answers: dict[str, Callable[[_Asking], Awaitable[web.Response]]] = {
            "": self._listing,
            "email": self._email,
            "aliases": self._aliases,
            "scopes": self._scopes,
            "token": self._token,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, by the address that it comes from."""
        path = request.path
        if path == "/":
            return _text("computeMetadata/\n")
        if request.headers.get("Metadata-Flavor") != "Google":
            return _text("Missing Metadata-Flavor:Google header.\n", 403)
        told = self._machine().get(path.removeprefix(ROOT).rstrip("/"))
        if told is not None:
            return _text(told)
        if not path.startswith(ROOT + ACCOUNTS):
            return _text("Not Found\n", 404)
        return await self._account_answer(request, path.removeprefix(ROOT + ACCOUNTS))

    def _machine(self) -> dict[str, str]:
        project = self._cloud.projects[self._config.project]
        zone = self._config.zone
        return {
            "project/project-id": project.id,
            "project/numeric-project-id": project.number,
            "universe/universe-domain": "googleapis.com",
            "universe/universe_domain": "googleapis.com",
            "instance/zone": f"projects/{project.number}/zones/{zone}",
            "instance/region": f"projects/{project.number}/regions/{zone.rpartition('-')[0]}",
            "instance/id": "1234567890123456789",
            "instance/attributes/cluster-name": self._config.cluster,
            "instance/attributes/cluster-location": zone.rpartition("-")[0],
        }

    async def _account_answer(self, request: web.Request, path: str) -> web.StreamResponse:
        account, _, wants = path.partition("/")
        fault = self._cloud.faults.take(f"metadata.{wants or 'account'}", f"GET {request.raw_path}", "")
        injected = await suffer(fault, request) if fault is not None else None
        if injected is not None:
            return injected
        identity = await self._identities.identity_of(str(request.remote))
        if identity is None:
            self._note("", "metadata.unknown", 404, str(request.remote))
            return _text("Not Found\n", 404)
        asking = _Asking(request, identity, wants)
        if not account:
            return _text(f"default/\n{self._name(asking)}/\n")
        answer = self._answers.get(wants)
        if answer is None or account not in {"default", self._name(asking)}:
            return _text("Not Found\n", 404)
        return await answer(asking)

    def _name(self, asking: _Asking) -> str:
        # Without a Google account a pod is its cluster's workload pool to those who ask for an address.
        return asking.identity.email or f"{self._config.project}.svc.id.goog"

    async def _listing(self, asking: _Asking) -> web.Response:
        if asking.request.query.get("recursive", "").lower() != "true":
            return _text("aliases\nemail\nscopes\ntoken\n")
        listed = {"aliases": ["default"], "email": self._name(asking), "scopes": [CLOUD_PLATFORM]}
        return web.json_response(listed, headers=FLAVOR)

    async def _email(self, asking: _Asking) -> web.Response:
        return _text(self._name(asking))

    async def _aliases(self, _: _Asking) -> web.Response:
        return _text("default\n")

    async def _scopes(self, _: _Asking) -> web.Response:
        return _text(f"{CLOUD_PLATFORM}\n")

    async def _token(self, asking: _Asking) -> web.Response:
        refusal = self._refusal(asking.identity)
        if refusal is not None:
            self._note(asking.member, "metadata.token", refusal.status or 0, str(asking.identity.workload))
            return refusal
        scopes = [scope for scope in asking.request.query.get("scopes", "").split(",") if scope]
        issued = self._cloud.tokens.issue(asking.member, scopes or [CLOUD_PLATFORM])
        self._note(asking.member, "metadata.token", 200, " ".join(sorted(issued.token.scopes)))
        return web.json_response(token_json(issued, self._cloud), headers=FLAVOR)

    def _refusal(self, identity: Identity) -> web.Response | None:
        """GKE's words for a ServiceAccount that may not act as its Google account: as quoted in issues, not tried."""
        if identity.email is None:
            return None
        account = self._cloud.directory.find(identity.email)
        if account is None:
            return _text(f"{_MISSING_ACCOUNT} {identity.email}\n", 404)
        resource = account_resource(account.project or "", account.email)
        if identity.workload and not self._cloud.access.holds(identity.workload, IMPERSONATION, resource):
            return _text(_MISSING_BINDING, 403)
        return None

    def _note(self, caller: str, method: str, status: int, detail: str) -> None:
        self._cloud.record(Happening("metadata", caller, method, status=status, detail=detail))


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, headers={**FLAVOR, "Content-Type": "application/text"})
