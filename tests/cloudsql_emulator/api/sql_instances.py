"""Cloud SQL Admin API: instances.get and .list, connectSettings and ephemeral certificates."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import invalid
from cloudsql_emulator.api.sql_places import instance_of, project_of
from cloudsql_emulator.certificates import BadPublicKey, IssuedCertificate
from cloudsql_emulator.clock import rfc3339
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
            "sql.connect.get": self.connect_settings,
            "sql.connect.generateEphemeral": self.generate_ephemeral_certificate,
            "sql.sslCerts.createEphemeral": self.create_ephemeral,
        }

    async def get(self, call: Call) -> Json:
        """One instance."""
        return self._instance_json(instance_of(call, self._cloud))

    async def list_instances(self, call: Call) -> Json:
        """Instances of a project; paging is not needed for so few."""
        project = project_of(call, self._cloud)
        found = [each for each in self._cloud.instances.values() if each.project == project]
        return {"kind": "sql#instancesList", "items": [self._instance_json(each) for each in found]}

    async def connect_settings(self, call: Call) -> Json:
        """What a connector needs to find and to verify an instance."""
        instance = instance_of(call, self._cloud)
        return {
            "kind": "sql#connectSettings",
            "region": instance.config.region,
            "databaseVersion": instance.database_version,
            "backendType": "SECOND_GEN",
            "ipAddresses": _addresses(instance),
            "serverCaCert": _server_ca(instance),
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            "pscEnabled": False,
            "dnsName": "",
        }

    async def generate_ephemeral_certificate(self, call: Call) -> Json:
        """A client certificate; with an access token it proves the token's owner."""
        instance = instance_of(call, self._cloud)
        issued = self._issue(instance, call.body)
        return {"ephemeralCert": _certificate_json(instance, issued)}

    async def create_ephemeral(self, call: Call) -> Json:
        """The same by its older name."""
        instance = instance_of(call, self._cloud)
        return _certificate_json(instance, self._issue(instance, call.body))

    def _issue(self, instance: Instance, body: Json) -> IssuedCertificate:
        principal = self._token_owner(body["access_token"]) if body.get("access_token") else None
        try:
            return instance.certificates.issue_client(body.get("public_key", ""), principal)
        except BadPublicKey as error:
            raise invalid(f"Invalid public key: {error}.") from error  # GUESS: the words

    def _token_owner(self, value: str) -> str:
        token = self._cloud.tokens.lookup(value)
        if token is None or not token.scopes & LOGIN_SCOPES:
            raise invalid("Invalid access token.")  # GUESS: the words
        return token.member

    def _instance_json(self, instance: Instance) -> Json:
        project = self._cloud.projects[instance.project]
        flags = [{"name": name, "value": value} for name, value in sorted(instance.flags.items())]
        # There is no state STOPPED: an instance that its owner stopped is RUNNABLE with activationPolicy NEVER.
        return {
            "kind": "sql#instance",
            "name": instance.name,
            "project": instance.project,
            "region": instance.config.region,
            "gceZone": f"{instance.config.region}-b",
            "state": "RUNNABLE",
            "databaseVersion": instance.database_version,
            "backendType": "SECOND_GEN",
            "instanceType": "CLOUD_SQL_INSTANCE",
            "connectionName": instance.connection_name,
            "ipAddresses": _addresses(instance),
            "serverCaCert": _server_ca(instance),
            "serviceAccountEmailAddress": f"p{project.number}-abcdef@gcp-sa-cloud-sql.iam.gserviceaccount.com",
            "selfLink": f"https://sqladmin.googleapis.com/v1/{instance.resource.name}",
            "settings": {
                "kind": "sql#settings",
                "tier": "db-custom-1-3840",
                "activationPolicy": "ALWAYS",
                **instance.settings,
                "databaseFlags": flags,
            },
        }


def _addresses(instance: Instance) -> list[Json]:
    # One address serves as both, so that clients may be set up for either.
    return [{"type": kind, "ipAddress": instance.address} for kind in ("PRIMARY", "PRIVATE")]


def _server_ca(instance: Instance) -> Json:
    return {
        "kind": "sql#sslCert",
        "certSerialNumber": "0",
        "commonName": "C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA",
        "cert": instance.certificates.server_ca_pem,
        "instance": instance.name,
    }


def _certificate_json(instance: Instance, issued: IssuedCertificate) -> Json:
    return {
        "kind": "sql#sslCert",
        "certSerialNumber": issued.serial,
        "cert": issued.pem,
        "commonName": issued.common_name,
        "createTime": rfc3339(issued.create_time),
        "expirationTime": rfc3339(issued.expiration_time),
        "sha1Fingerprint": issued.sha1_fingerprint,
        "instance": instance.name,
    }
