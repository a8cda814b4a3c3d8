"""Sessions are recorded by running their commands."""

from __future__ import annotations

import json

import pytest

from deploy.docs.recording import Excerpt, Session, SessionError, preparation

# ErrorInfo {reason: "LISTENER_NOT_FOUND", domain: "masspayout", metadata: {name: "x"}}, without padding.
_ERROR_INFO = "ChJMSVNURU5FUl9OT1RfRk9VTkQSCm1hc3NwYXlvdXQaCQoEbmFtZRIBeA"


def test_commands_stand_together_until_something_is_said() -> None:
    session = Session("true")
    session.head("Title")
    session.show("echo one")
    session.show("""echo '{"two": 2}'""", Excerpt())
    session.say("Then:")
    session.show("echo three")
    one = ["```console", "$ echo one", "one", ""]
    two = ["$ echo '{\"two\": 2}'", '{"two": 2}', "```", ""]
    three = ["```console", "$ echo three", "three", "```", ""]
    assert session.lines == ["## Title", "", *one, *two, "Then:", "", *three]


def test_commands_run_after_the_preparation() -> None:
    session = Session(preparation({"HOLDER": "somebody"}, "greet() { echo hello $1; }"))
    assert session.run("greet $HOLDER").output == "hello somebody\n"


def test_a_command_that_ends_otherwise_than_expected_ends_the_session() -> None:
    session = Session("true")
    with pytest.raises(SessionError, match="status 1"):
        session.show("echo it fails; false")
    with pytest.raises(SessionError, match="status 0"):
        session.show_refusal("echo it does not fail")
    assert session.lines == []


def test_a_refusal_tells_its_reason() -> None:
    error = {
        "code": "not_found",
        "message": "none",
        "details": [{"type": "google.rpc.ErrorInfo", "value": _ERROR_INFO}],
    }
    session = Session("true")
    session.show_refusal(f"echo '{json.dumps(error)}'; false", Excerpt(["code"]))
    assert session.lines[2:] == [
        '{"code": "not_found", ...}',
        "```",
        "",
        "`ErrorInfo`: reason `LISTENER_NOT_FOUND`, domain `masspayout`, name `x`.",
        "",
    ]
