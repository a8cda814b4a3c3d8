"""docs/operations-register.md: every RPC of the register and of the listeners is shown in it."""

from __future__ import annotations

import re

import pytest

from deploy.docs.descriptors import load
from deploy.docs.generate import DOCS
from deploy.docs.register_transcript import OUTPUT

_CALL = re.compile(r"^\$ call .* \$(ASSET|CHAIN_SYNC)/(\w+)", re.MULTILINE)
_REASON = re.compile(r"^`ErrorInfo`: reason `([A-Z_]+)`", re.MULTILINE)
_CONTEXTS = {"ASSET": "asset", "CHAIN_SYNC": "chain_sync"}
# The import is shown in docs/transcript.md; chain_sync_service describes tokens for asset_service.
_SHOWN_ELSEWHERE = {("asset", "ImportAsset")}
_FOR_SERVICES = {("chain_sync", "DescribeToken"), ("chain_sync", "DescribePaymentToken")}


def test_every_rpc_is_called_in_it() -> None:
    served = {
        (file.context, method.name)
        for file in load()
        for service in file.services
        for method in service.methods
        if file.context in _CONTEXTS.values()
    }
    called = {(_CONTEXTS[service], method) for service, method in _CALL.findall(_page())}
    assert served - called == _SHOWN_ELSEWHERE | _FOR_SERVICES
    assert called <= served


def test_what_is_shown_elsewhere_is_shown_there() -> None:
    transcript = (DOCS / "transcript.md").read_text(encoding="utf-8")
    for context, method in _SHOWN_ELSEWHERE:
        assert re.search(rf"/masspayout\.{context}\.v1\.\w+/{method}$", transcript, re.MULTILINE)


def test_refusals_are_shown_with_their_reasons() -> None:
    shown = set(_REASON.findall(_page()))
    assert shown == {"INVALID_FILTER", "LISTENER_NOT_FOUND", "HOLDER_NOT_FOUND", "INVALID_BLOCK"}


@pytest.mark.parametrize(
    "request_field",
    ["page_size", "page_token", "min_balance_base_units", "order", "filter", "kinds", "list_again", "from_block"],
)
def test_what_a_list_can_be_asked_for_is_shown(request_field: str) -> None:
    assert any(f'"{request_field}": ' in line for line in _page().splitlines() if line.startswith("$ call"))


def test_operations_lead_to_it() -> None:
    section = (DOCS / "operations.md").read_text(encoding="utf-8").split("## The register and the listeners\n")[1]
    assert f"({OUTPUT.name})" in section.split("\n## ")[0]


def _page() -> str:
    return OUTPUT.read_text(encoding="utf-8")
