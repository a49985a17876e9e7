"""What a call to the Admin API is about, and whether its caller may: instances by path, permissions by method.

Source: "Cloud SQL roles and permissions"
"""

from cloudsql_emulator.api.call import Call
from cloudsql_emulator.api.errors import invalid, no_such_instance, not_authorized, not_running
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import instance_resource, project_resource
from cloudsql_emulator.instances.instance import Instance

PERMISSION = {
    "sql.users.insert": "cloudsql.users.create",
    "sql.users.list": "cloudsql.users.list",
    "sql.users.get": "cloudsql.users.get",
    "sql.users.update": "cloudsql.users.update",
    "sql.users.delete": "cloudsql.users.delete",
    "sql.operations.get": "cloudsql.instances.get",
    "sql.operations.list": "cloudsql.instances.get",
    "sql.instances.get": "cloudsql.instances.get",
    "sql.instances.list": "cloudsql.instances.list",
    "sql.instances.patch": "cloudsql.instances.update",
    "sql.instances.restart": "cloudsql.instances.restart",
    "sql.instances.listServerCas": "cloudsql.instances.listServerCas",
    "sql.databases.list": "cloudsql.databases.list",
    "sql.databases.get": "cloudsql.databases.get",
    "sql.databases.insert": "cloudsql.databases.create",
    "sql.databases.delete": "cloudsql.databases.delete",
    "sql.tiers.list": "cloudsql.instances.list",  # GUESS
    "sql.operations.cancel": "cloudsql.instances.update",  # GUESS
    "sql.connect.generateEphemeral": "cloudsql.instances.connect",
    "sql.sslCerts.createEphemeral": "cloudsql.instances.connect",  # GUESS: old proxies live with roles/cloudsql.client
}


def permission_for(call: Call, cloud: Cloud) -> str:
    """What a method takes."""
    if call.method.id == "sql.connect.get":
        return cloud.switches.connect_permission
    return PERMISSION[call.method.id]


def project_of(call: Call, cloud: Cloud) -> str:
    """The id of the project in a call's path, which the caller may act on as a whole.

    Raises:
        ApiError: no such project, or no permission; Google does not tell which.
    """
    project = cloud.project(call.path["project"])
    if project is None or not call.may(permission_for(call, cloud), project_resource(project.id)):
        raise not_authorized()
    return project.id


def authorized_on(call: Call, cloud: Cloud, project: str, name: str) -> None:
    """Let a call go on if its caller may act on an instance, which need not exist.

    Raises:
        ApiError: no permission.
    """
    resource = instance_resource(project, name.rpartition("~")[2])
    if not call.may(permission_for(call, cloud), resource):
        raise not_authorized()


def instance_of(call: Call, cloud: Cloud) -> Instance:
    """The instance in a call's path.

    Raises:
        ApiError: no permission, or no such instance.
    """
    project = cloud.project(call.path["project"])
    if project is None:
        raise not_authorized()
    authorized_on(call, cloud, project.id, call.path["instance"])
    found = cloud.instance(project.id, call.path["instance"])
    if found is None:
        raise no_such_instance()
    return found


def running_instance_of(call: Call, cloud: Cloud) -> Instance:
    """The same, of an instance that is not stopped.

    Raises:
        ApiError: no permission, no such instance, or it is stopped.
    """
    found = instance_of(call, cloud)
    if not found.is_running:
        raise not_running()
    return found


def primary_of(call: Call, cloud: Cloud) -> Instance:
    """The same, of an instance that takes writes.

    Raises:
        ApiError: no permission, no such instance, it is stopped, or it is a replica.
    """
    found = running_instance_of(call, cloud)
    if found.config.replica_of:
        # GUESS: the words; the class ERROR_READ_REPLICA_INVALID_OPERATION is documented
        raise invalid("Invalid operation: the instance is a read replica.")
    return found
