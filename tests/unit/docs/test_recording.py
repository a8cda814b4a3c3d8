"""How sessions are written down: excerpts of answers, commands in blocks, refusals."""

from __future__ import annotations

import json

import pytest

from deploy.docs.recording import Answer, Excerpt, SessionError, call

_ADDRESS = "0x" + "ab" * 20
_HOLDERS = {
    "holders": [
        {"name": "assets/a/holders/b", "account": {"evmAddress": _ADDRESS, "hederaId": "0.0.5"}, "balance": "1"},
        {"name": "assets/a/holders/c", "account": {"evmAddress": _ADDRESS, "hederaId": "0.0.6"}, "balance": "2"},
    ],
    "nextPageToken": "token",
}


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


def test_a_call_is_one_command() -> None:
    assert call("http://a:1", "p.S/Do", {"name": "x"}) == 'call -d \'{"name": "x"}\' \\\n    http://a:1/p.S/Do'


def _printed(answer: object) -> Answer:
    return Answer(0, json.dumps(answer, indent=2))
