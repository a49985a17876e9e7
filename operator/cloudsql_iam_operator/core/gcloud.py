"""gcloud commands that messages give, as a shell takes them whatever the names in them hold."""

import shlex

SERVICE_ACCOUNT_TYPE = "CLOUD_IAM_SERVICE_ACCOUNT"


def gcloud(*words: str) -> str:
    """A whole command, each word quoted where a shell needs it."""
    return shlex.join(("gcloud", *words))


def set_password(user: str, project: str, instance: str) -> str:
    """The command that asks for a database user's new password."""
    return gcloud("sql", "users", "set-password", user, *_on(project, instance), "--prompt-for-password")


def create_user(user: str, project: str, instance: str) -> str:
    """The command that makes the database user of a service account."""
    return gcloud("sql", "users", "create", user, *_on(project, instance), f"--type={SERVICE_ACCOUNT_TYPE}")


def assign_role(user: str, role: str, project: str, instance: str) -> str:
    """The command that makes the database user of a service account a member of a role."""
    kind = f"--type={SERVICE_ACCOUNT_TYPE}"
    return gcloud("sql", "users", "assign-roles", user, *_on(project, instance), kind, f"--database-roles={role}")


def bind_on_project(project: str, role: str, *rest: str) -> str:
    """The command that binds a role on a project, as far as `rest` completes it."""
    return gcloud("projects", "add-iam-policy-binding", project, f"--role={role}", *rest)


def _on(project: str, instance: str) -> tuple[str, str]:
    return f"--instance={instance}", f"--project={project}"
