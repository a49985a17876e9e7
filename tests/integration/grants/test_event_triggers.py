"""Event triggers, by which others have code run as whoever logs in or grants: none of it acts as the operator."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from support.granting.setting import Place
from support.granting.wording import key, table, want

WANTED = {key("a"): want(table("SELECT"))}
FUNCTION = """
create table app.loot (who text); grant insert on app.loot to public; grant usage on schema app to op;
create function app.steal() returns event_trigger language plpgsql {0} as $$ begin
    if session_user = 'op' then
        begin
            insert into app.loot values (current_user);
        exception when read_only_sql_transaction then
            null;
        end;
    end if;
end $$;
alter function app.steal() owner to {1};
"""
ON_GRANT = "create event trigger thief on ddl_command_end {} execute function app.steal()"
ON_LOGIN = "create event trigger thief on login execute function app.steal()"


def refused(place: Place) -> str:
    with pytest.raises(NotYet) as caught:
        place.run(WANTED)
    assert caught.value.reason is Reason.EVENT_TRIGGER_NOT_TRUSTED
    return caught.value.message


def test_code_of_others_that_a_grant_would_run_as_the_operator_is_not_run(place: Place) -> None:
    place.sql(FUNCTION.format("", "app_owner") + ON_GRANT.format(""))

    said = refused(place)

    assert "event trigger 'thief' runs the function app.steal of role 'app_owner'" in said
    assert (place.sent(), place.value("select count(*) from app.loot")) == ([], 0)


@pytest.mark.parametrize(
    ("how", "owner", "trigger"),
    [
        ("security definer", "app_owner", ON_GRANT.format("")),
        ("", "postgres", ON_GRANT.format("")),
        ("", "app_owner", ON_GRANT.format("when tag in ('CREATE TABLE')")),
        ("", "app_owner", ON_GRANT.format("") + "; alter event trigger thief disable"),
        ("", "app_owner", ON_GRANT.format("") + "; alter event trigger thief enable replica"),
    ],
)
def test_event_triggers_that_run_nothing_of_others_as_the_operator_are_let_be(
    place: Place, how: str, owner: str, trigger: str
) -> None:
    place.sql(FUNCTION.format(how, owner) + trigger)

    answer = place.answer(want(table("SELECT", names=("orders",))))

    assert (answer.problems, place.acl("app.orders")) == ((), ["x=r/app_owner"])


def test_what_a_trigger_did_that_came_after_the_look_is_undone(place: Place) -> None:
    place.sql(FUNCTION.format("", "app_owner"))
    access = replace(place.access(), fence=lambda: place.sql(ON_GRANT.format("")))

    with pytest.raises(NotYet) as caught:
        run_pass(access, place.name, WANTED, {}, None)

    assert caught.value.reason is Reason.EVENT_TRIGGER_NOT_TRUSTED
    assert any(text.startswith("GRANT") for text in place.sent())
    assert (place.acl("app.orders"), place.value("select count(*) from app.loot")) == ([], 0)


def test_a_trigger_that_comes_while_all_is_quiet_is_told(place: Place) -> None:
    first = place.run(WANTED)
    again = place.run(WANTED, memory=first.memory)
    place.sql(FUNCTION.format("", "app_owner") + ON_GRANT.format(""))

    with pytest.raises(NotYet) as caught:
        place.run(WANTED, memory=again.memory)

    assert caught.value.reason is Reason.EVENT_TRIGGER_NOT_TRUSTED


def test_code_of_others_at_login_can_write_nothing_as_the_operator(place: Place) -> None:
    if place.version < 17:
        with pytest.raises(Exception, match="login"):  # there are no such triggers
            place.sql(FUNCTION.format("", "app_owner") + ON_LOGIN)
        return
    place.sql(FUNCTION.format("", "app_owner") + ON_LOGIN)

    said = refused(place)

    assert "event trigger 'thief'" in said
    assert place.value("select count(*) from app.loot") == 0


def test_a_trigger_that_must_write_at_login_is_told_with_the_way_out(place: Place) -> None:
    if place.version < 17:
        with pytest.raises(Exception, match="login"):  # there are no such triggers
            place.sql(FUNCTION.format("security definer", "app_owner") + ON_LOGIN)
        return
    place.sql(FUNCTION.format("security definer", "app_owner"))
    place.sql(
        "create or replace function app.steal() returns event_trigger language plpgsql security definer as $$ begin"
        " insert into app.loot values (session_user); end $$;" + ON_LOGIN
    )

    said = refused(place)

    assert "have its function return where transaction_read_only is on" in said
    place.sql("alter event trigger thief disable")
    assert place.answer(want(table("SELECT", names=("orders",)))).problems == ()
