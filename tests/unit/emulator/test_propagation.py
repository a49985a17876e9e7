"""How long changes take when the configuration says so, by the emulator's own clock."""

from dataclasses import replace

from cloudsql_emulator.acme import CHECKOUT, INSTANCE, PROJECT, acme
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import parse_config, to_json
from cloudsql_emulator.iam.access import instance_resource
from cloudsql_emulator.iam.spans import SOME_SECONDS, Propagation

RESOURCE = f"projects/{PROJECT}"
BINDING = {"role": "roles/cloudsql.instanceUser", "members": [CHECKOUT]}


def may_log_in(cloud: Cloud) -> bool:
    return cloud.access.holds(CHECKOUT, "cloudsql.instances.login", instance_resource(PROJECT, INSTANCE))


def test_what_is_granted_acts_after_some_seconds_and_what_is_revoked_after_more() -> None:
    cloud = Cloud(replace(acme(), propagation=SOME_SECONDS))
    before = cloud.policies.read(RESOURCE)
    seen = []

    cloud.policies.write(RESOURCE, {**before, "bindings": [*before["bindings"], BINDING]})
    seen.append(may_log_in(cloud))
    cloud.clock.advance(3)
    seen.append(may_log_in(cloud))
    cloud.policies.write(RESOURCE, before)
    seen.append(may_log_in(cloud))
    cloud.clock.advance(5)
    seen.append(may_log_in(cloud))

    assert seen == [False, True, True, False]


def test_policies_that_are_there_from_the_start_act_at_once() -> None:
    cloud = Cloud(replace(acme(), propagation=Propagation(grants=600)))

    assert cloud.access.holds("user:admin@acme.example", "cloudsql.users.list", instance_resource(PROJECT, INSTANCE))


def test_the_configurations_propagation_is_read_from_json_and_is_each_clouds_own() -> None:
    config = parse_config(to_json(replace(acme(), propagation=Propagation(2, 4.5, 0))))
    one, other = Cloud(config), Cloud(config)

    one.propagation.grants = 9

    assert (config.propagation, other.propagation) == (Propagation(2, 4.5, 0), Propagation(2, 4.5, 0))
