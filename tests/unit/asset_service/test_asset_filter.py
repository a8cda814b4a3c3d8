"""The filter of ListAssets."""

import pytest

from asset_service.api.asset_filter import MAX_FILTER_LENGTH, parse_asset_filter
from asset_service.application.ports import AssetField, AssetTerm
from asset_service.infrastructure.reader import _FILTER_COLUMNS
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed

ADDRESS = "0x" + "ab" * 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("state=ACTIVE", [("state", "ACTIVE")]),
        (' state = "ACTIVE" ', [("state", "ACTIVE")]),
        ('state=ACTIVE AND symbol="ACME"', [("state", "ACTIVE"), ("symbol", "ACME")]),
        (
            "security_type=BOND\tAND  sync_state=DISABLED AND pause_state=UNPAUSING",
            [("security_type", "BOND"), ("sync_state", "DISABLED"), ("pause_state", "UNPAUSING")],
        ),
        ("state=ACTIVE AND state=FAILED", [("state", "ACTIVE"), ("state", "FAILED")]),
        ("isin=CH0000000001", [("isin", "CH0000000001")]),
        ("symbol=A_B-1", [("symbol", "A_B-1")]),
        ("symbol=ANDES", [("symbol", "ANDES")]),
        ("symbol=AND-1", [("symbol", "AND-1")]),
        ('symbol="AND"', [("symbol", "AND")]),
        ('symbol=""', [("symbol", "")]),
        (r'symbol="a \"b\" \\ AND x=y"', [("symbol", r'a "b" \ AND x=y')]),
        ('symbol="\'; DROP TABLE assets"', [("symbol", "'; DROP TABLE assets")]),
        ('symbol="ÄÖ€"', [("symbol", "ÄÖ€")]),
        (f"token.evm_address={ADDRESS}", [("token.evm_address", ADDRESS)]),
        (f'token.evm_address="{checksummed(ADDRESS)}"', [("token.evm_address", ADDRESS)]),
    ],
)
def test_a_filter_is_read(text: str, expected: list[tuple[str, str]]) -> None:
    assert parse_asset_filter(text) == tuple(AssetTerm(AssetField(name), value) for name, value in expected)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("x", 1, "a field (state, security_type, sync_state, pause_state, symbol, isin, token.evm_address)"),
        ("  decimals=6", 3, "a field"),
        ("=ACTIVE", 1, "a field"),
        ("(state=ACTIVE)", 1, "a field"),
        ("State=ACTIVE", 1, "a field"),
        ("state", 6, "= behind state"),
        ("state ACTIVE", 7, "= behind state"),
        ("state!=ACTIVE", 6, "= behind state"),
        ("state:ACTIVE", 6, "= behind state"),
        ("state==ACTIVE", 7, "a value of state"),
        ("state=", 7, "a value of state"),
        ("state= ", 7, "a value of state"),
        ("state=STATE_ACTIVE", 7, "a value of state (IMPORTING, ACTIVE, FAILED)"),
        ("state=active", 7, "a value of state (IMPORTING, ACTIVE, FAILED)"),
        ("security_type=EQUITY,BOND", 15, "a value of security_type"),
        ("sync_state=ON", 12, "a value of sync_state (ENABLED, DISABLED)"),
        ("pause_state=''", 13, "a value of pause_state"),
        ("symbol=AND", 8, "a value of symbol"),
        ("symbol=A*", 8, "a value of symbol"),
        ('symbol="A', 8, "a value of symbol"),
        (r'symbol="A\n"', 8, "a value of symbol"),
        ('symbol="A\0"', 8, "a value of symbol"),
        ('symbol="A"B', 8, "a value of symbol"),
        ("symbol=A isin=B", 10, "AND between two comparisons, or the end"),
        ("symbol=A OR isin=B", 10, "AND between two comparisons, or the end"),
        ("symbol=A and isin=B", 10, "AND between two comparisons, or the end"),
        ("symbol=A AND", 10, "AND between two comparisons, or the end"),
        ("symbol=A AND AND isin=B", 14, "a field"),
        ("token.evm_address=0x12", 19, "an EVM address"),
        ("token.evm_address=0.0.12", 19, "a value of token.evm_address"),
        ('token.evm_address="0.0.12"', 19, "an EVM address"),
        ("symbol=" + "A" * MAX_FILTER_LENGTH, MAX_FILTER_LENGTH + 1, "the end"),
    ],
)
def test_what_cannot_be_read_is_refused_with_place_and_expectation(
    text: str, position: int, expected: str
) -> None:
    with pytest.raises(AppError) as caught:
        parse_asset_filter(text)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FILTER, "filter")
    assert caught.value.message.startswith(f"at character {position}: expected {expected}")


def test_every_field_has_its_column() -> None:
    assert set(_FILTER_COLUMNS) == set(AssetField)
