"""How sessions are written down: excerpts of answers, commands in blocks, refusals."""

from __future__ import annotations

import json

import pytest

from deploy.docs.recording import Answer, Excerpt, Session, SessionError, call, preparation

_ADDRESS = "0x" + "ab" * 20
_HOLDERS = {
    "holders": [
        {"name": "assets/a/holders/b", "account": {"evmAddress": _ADDRESS, "hederaId": "0.0.5"}, "balance": "1"},
        {"name": "assets/a/holders/c", "account": {"evmAddress": _ADDRESS, "hederaId": "0.0.6"}, "balance": "2"},
    ],
    "nextPageToken": "token",
}
# ErrorInfo {reason: "LISTENER_NOT_FOUND", domain: "masspayout", metadata: {name: "x"}}, without padding.
_ERROR_INFO = "ChJMSVNURU5FUl9OT1RfRk9VTkQSCm1hc3NwYXlvdXQaCQoEbmFtZRIBeA"


def test_an_excerpt_without_fields_is_the_whole_answer() -> None:
    lines = Excerpt().lines(_printed(_HOLDERS))
    assert json.loads("\n".join(lines)) == _HOLDERS
    assert max(len(line) for line in lines) <= 115


def test_an_excerpt_keeps_what_it_names_with_all_that_is_in_it() -> None:
    fields = ("holders.account.evmAddress", "holders.balance")
    item = f'    {{"account": {{"evmAddress": "{_ADDRESS}", ...}}, "balance": "%s", ...}}'
    assert Excerpt(fields).lines(_printed(_HOLDERS)) == [
        "{",
        '  "holders": [',
        item % 1 + ",",
        item % 2,
        "  ],",
        "  ...",
        "}",
    ]
    assert Excerpt(["holders"]).lines(_printed({"holders": {"a": 1}})) == ['{"holders": {"a": 1}}']


def test_a_field_is_not_kept_for_the_beginning_of_its_name() -> None:
    assert Excerpt(["name"]).lines(_printed({"name": "a", "names": "b"})) == ['{"name": "a", ...}']
    assert Excerpt(["names"]).lines(_printed({"name": "a", "names": "b"})) == ['{"names": "b", ...}']


def test_an_excerpt_of_what_is_not_json_is_refused() -> None:
    with pytest.raises(SessionError):
        Excerpt().lines(Answer(0, "no JSON"))


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


def test_a_call_is_one_command() -> None:
    assert call("http://a:1", "p.S/Do", {"name": "x"}) == 'call -d \'{"name": "x"}\' \\\n    http://a:1/p.S/Do'


def _printed(answer: object) -> Answer:
    return Answer(0, json.dumps(answer, indent=2))
