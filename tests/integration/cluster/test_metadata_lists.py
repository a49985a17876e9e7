"""Lists of metadata alone, as the watchdog reads them."""

import kubernetes.config

from cloudsql_iam_operator.adapters.cluster.pods import CALL_SECONDS, METADATA_ONLY
from cloudsql_iam_operator.adapters.cluster.rest import Rest
from integration.shared_plane import SharedPlane

PATH = "/api/v1/namespaces"


def test_a_list_of_metadata_that_holds_nothing_is_empty(shared: SharedPlane) -> None:
    rest = Rest(kubernetes.config.new_client_from_config(config_file=str(shared.plane.admin)))
    nobody = {"labelSelector": "example.com/nobody=true"}

    all_of_them = [each["metadata"]["name"] for each in rest.pages(PATH, CALL_SECONDS, 2, accept=METADATA_ONLY)]
    none = list(rest.pages(PATH, CALL_SECONDS, 250, nobody, METADATA_ONLY))

    assert {"default", "early", "kube-system"} <= set(all_of_them)
    assert none == []
