"""Cloud SQL Admin API: instances.get, .list and .listServerCas, connectSettings and ephemeral certificates."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import invalid
from cloudsql_emulator.api.sql.instance_json import certificate_json, connect_settings_json, instance_json, server_ca
from cloudsql_emulator.api.sql.places import instance_of, project_of
from cloudsql_emulator.certificates import BadPublicKey, IssuedCertificate
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.login import LOGIN_SCOPES


class SqlInstances:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            "sql.instances.get": self.get,
            "sql.instances.list": self.list_instances,
            "sql.instances.listServerCas": self.list_server_cas,
            "sql.connect.get": self.connect_settings,
            "sql.connect.generateEphemeral": self.generate_ephemeral_certificate,
            "sql.sslCerts.createEphemeral": self.create_ephemeral,
        }

    async def get(self, call: Call) -> Json:
        """One instance."""
        return self._json(instance_of(call, self._cloud))

    async def list_instances(self, call: Call) -> Json:
        """Instances of a project; paging is not needed for so few."""
        project = project_of(call, self._cloud)
        found = [each for each in self._cloud.instances.values() if each.project == project]
        return {"kind": "sql#instancesList", "items": [self._json(each) for each in found]}

    async def connect_settings(self, call: Call) -> Json:
        """What a connector needs to find and to verify an instance."""
        return connect_settings_json(instance_of(call, self._cloud))

    async def list_server_cas(self, call: Call) -> Json:
        """The server's authorities, of which there is one here; none is upcoming."""
        instance = instance_of(call, self._cloud)
        told = server_ca(instance, instance.certificates.server_ca)
        return {"kind": "sql#instancesListServerCas", "certs": [told], "activeVersion": told["sha1Fingerprint"]}

    async def generate_ephemeral_certificate(self, call: Call) -> Json:
        """A client certificate; with an access token it proves the token's owner."""
        instance = instance_of(call, self._cloud)
        issued = self._issue(instance, call.body)
        return {"ephemeralCert": certificate_json(instance, issued)}

    async def create_ephemeral(self, call: Call) -> Json:
        """The same by its older name."""
        instance = instance_of(call, self._cloud)
        return certificate_json(instance, self._issue(instance, call.body))

    def _issue(self, instance: Instance, body: Json) -> IssuedCertificate:
        token, key = body.get("access_token"), body.get("public_key", "")
        try:
            if not token:
                return instance.certificates.issue_client(key, None)
            tokens = self._cloud.tokens
            owner = self._token_owner(token)
            return instance.certificates.issue_client(key, owner, lambda: tokens.lookup(token) is not None)
        except BadPublicKey as error:
            raise invalid(f"Invalid public key: {error}.") from error  # GUESS: the words

    def _token_owner(self, value: str) -> str:
        token = self._cloud.tokens.lookup(value)
        if token is None or not token.scopes & LOGIN_SCOPES:
            raise invalid("Invalid access token.")  # GUESS: the words
        return token.member

    def _json(self, instance: Instance) -> Json:
        siblings = [each for each in self._cloud.instances.values() if each.project == instance.project]
        replicas = [each for each in siblings if each.config.replica_of == instance.name]
        return instance_json(instance, self._cloud.projects[instance.project], replicas)
