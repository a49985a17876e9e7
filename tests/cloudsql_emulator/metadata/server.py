"""The metadata server of Compute Engine and GKE: every caller by its address is told its own identity and tokens.

Source: "About VM metadata"; GKE "Workload Identity Federation": the metadata server's answers as quoted in issues
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from cloudsql_emulator.api.journal import Happening
from cloudsql_emulator.api.oauth import token_json
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import Metadata
from cloudsql_emulator.credentials.id_tokens import id_token
from cloudsql_emulator.faults.injection import suffer
from cloudsql_emulator.iam.access import account_resource
from cloudsql_emulator.iam.tokens import CLOUD_PLATFORM
from cloudsql_emulator.metadata import tree
from cloudsql_emulator.metadata.identities import Identities, Identity

FLAVOR = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
ROOT = "/computeMetadata/v1/"
ACCOUNTS = "instance/service-accounts/"
_ABOVE = ("", "/", "instance/", "instance/service-accounts/")
CLUSTER_UID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
IMPERSONATION = "iam.serviceAccounts.getAccessToken"

_ACCOUNT_TOKEN = re.compile(rf"{ACCOUNTS}(?P<account>[^/]+)/(?P<what>token|identity)")
_MISSING_BINDING = (
    "Unable to generate access token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' "
    "denied on resource (or it may not exist).\n"
    "This error could be caused by a missing IAM policy binding on the target IAM service account.\n"
    "For more information, refer to the Workload Identity documentation:\n"
    "\thttps://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#authenticating_to\n\n"
)
_MISSING_ACCOUNT = "Unable to generate access token; IAM returned 404 Not Found: Not found; Gaia id not found for email"


_NOT_ANNOTATED = (
    "Your Kubernetes service account ({}) is not annotated with a target Google service account, which is a "
    "requirement for getting Identity Tokens using Workload Identity.\nPlease add the "
    "iam.gke.io/gcp-service-account=[GSA_NAME]@[PROJECT_ID] annotation to your Kubernetes service account.\n"
    "Refer to https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity\n"
)


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request about the caller's own account."""

    request: web.Request
    identity: Identity

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

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, by the address that it comes from."""
        if request.path == "/":
            return _text("computeMetadata/\n")
        if request.headers.get("Metadata-Flavor") != "Google":
            return _text("Missing Metadata-Flavor:Google header.\n", 403)
        if not request.path.startswith(ROOT):
            return _text("Not Found\n", 404)
        path = request.path.removeprefix(ROOT)
        fault = self._cloud.faults.take(_name(path), f"GET {request.raw_path}", "")
        injected = await suffer(fault, request) if fault is not None and not fault.after else None
        response = injected or await self._answered(request, path)
        return await suffer(fault, request) or response if fault is not None and fault.after else response

    async def _answered(self, request: web.Request, path: str) -> web.Response:
        # who asks is looked up for nothing else: values of the machine are there before any cluster is
        concerned = path.startswith(ACCOUNTS) or f"{path}/" in _ABOVE or path in _ABOVE
        identity = await self._identities.identity_of(str(request.remote)) if concerned else None
        if identity is None and path.startswith(ACCOUNTS):
            self._note("", "metadata.unknown", 404, str(request.remote))
            return _text("Not Found\n", 404)
        account = _ACCOUNT_TOKEN.fullmatch(path)
        if identity and account and account["account"] in {"default", self._name(identity)}:
            asking = _Asking(request, identity)
            return self._token(asking) if account["what"] == "token" else self._identity(asking)
        node = tree.found(self._tree(identity), path)
        if node is None:
            return _text("Not Found\n", 404)
        if isinstance(node, Mapping) and path and not path.endswith("/"):
            where = f"{request.path}/" + (f"?{request.query_string}" if request.query_string else "")
            return web.Response(status=301, headers={**FLAVOR, "Location": where})
        return _shown(request, node)

    def _tree(self, identity: Identity | None) -> tree.Folder:
        project = self._cloud.projects[self._config.project]
        zone = self._config.zone
        region = zone.rpartition("-")[0]
        attributes: tree.Folder = {
            "cluster-location": region,
            "cluster-name": self._config.cluster,
            "cluster-uid": CLUSTER_UID,
        }
        instance: tree.Folder = {
            "attributes": attributes,
            "hostname": f"{self._config.cluster}-node-1.{zone}.c.{project.id}.internal",
            "id": 1234567890123456789,
            "region": f"projects/{project.number}/regions/{region}",
            "service-accounts": self._accounts(identity) if identity else {},
            "zone": f"projects/{project.number}/zones/{zone}",
        }
        domain = "googleapis.com"
        return {
            "instance": instance,
            "project": {"attributes": {}, "numeric-project-id": int(project.number), "project-id": project.id},
            "universe": {"universe-domain": domain, "universe_domain": domain},
        }

    def _accounts(self, identity: Identity) -> tree.Folder:
        told = {"aliases": ["default"], "email": self._name(identity), "scopes": [CLOUD_PLATFORM]}
        return {"default": told, self._name(identity): told}

    def _name(self, identity: Identity) -> str:
        # Without a Google account a pod is its cluster's workload pool to those who ask for an address.
        return identity.email or f"{self._config.project}.svc.id.goog"

    def _token(self, asking: _Asking) -> web.Response:
        refusal = self._refusal(asking.identity)
        if refusal is not None:
            self._note(asking.member, "metadata.token", refusal.status or 0, str(asking.identity.workload))
            return refusal
        scopes = [scope for scope in asking.request.query.get("scopes", "").split(",") if scope]
        issued = self._cloud.tokens.issue(asking.member, scopes or [CLOUD_PLATFORM])
        self._note(asking.member, "metadata.token", 200, " ".join(sorted(issued.token.scopes)))
        return web.json_response(token_json(issued, self._cloud), headers=FLAVOR)

    def _identity(self, asking: _Asking) -> web.Response:
        audience = asking.request.query.get("audience", "")
        if not audience:
            return _text("non-empty audience parameter required\n", 400)
        if asking.identity.email is None:
            # as GKE was seen to say
            return _text(_NOT_ANNOTATED.format(_kubernetes_name(asking.identity)), 404)
        refusal = self._refusal(asking.identity)
        if refusal is not None:
            return refusal
        account = self._cloud.directory.account(asking.member)
        self._note(asking.member, "metadata.identity", 200, audience)
        return _text(id_token(self._cloud.keys, self._cloud.clock, account, audience, with_email=True))

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


def _shown(request: web.Request, node: tree.Node) -> web.Response:
    recursive = request.query.get("recursive", "").lower() == "true"
    content, is_json = tree.read(node, recursive=recursive, form=request.query.get("alt", ""))
    kind = "application/json" if is_json else "application/text"
    return web.Response(text=content, headers=FLAVOR, content_type=kind)


def _name(path: str) -> str:
    """What a fault calls the reading of a path: `metadata.token`, `metadata.zone`, `metadata.account` for a listing."""
    if not path.startswith(ACCOUNTS):
        return f"metadata.{path.rstrip('/').rpartition('/')[2]}"
    return f"metadata.{path.removeprefix(ACCOUNTS).partition('/')[2] or 'account'}"


def _kubernetes_name(identity: Identity) -> str:
    return str(identity.workload).partition("[")[2].removesuffix("]")


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, headers={**FLAVOR, "Content-Type": "application/text"})
