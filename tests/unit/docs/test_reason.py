"""`reason` reads errors as `buf curl` prints them."""

from __future__ import annotations

import io
import json

import pytest

from deploy.docs import reason

# ErrorInfo {reason: "LISTENER_NOT_FOUND", domain: "masspayout", metadata: {name: "x"}}, without padding.
_ERROR_INFO = "ChJMSVNURU5FUl9OT1RfRk9VTkQSCm1hc3NwYXlvdXQaCQoEbmFtZRIBeA"


def test_reason_and_metadata_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    details = [
        {"type": "google.rpc.BadRequest", "value": ""},
        {"type": "google.rpc.ErrorInfo", "value": _ERROR_INFO},
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"code": "not_found", "details": details})))
    assert reason.main() == 0
    assert capsys.readouterr().out == "LISTENER_NOT_FOUND name=x\n"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"status": "SERVING"}', '{"details": []}'])
def test_what_has_no_reason_is_shown_as_it_is(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert reason.main() == 1
    assert capsys.readouterr().err.startswith(f"no error with a reason:\n{text}")
