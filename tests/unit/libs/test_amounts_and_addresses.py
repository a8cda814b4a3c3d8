"""Amounts and addresses: what people may write, exactly, and what is refused by which reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.chain.address import EvmAddress, HederaId
from libs.chain.amount import (
    MAX_DECIMALS,
    MAX_UINT256,
    format_decimal_amount,
    parse_base_units,
    parse_decimal_amount,
    pro_rata_floor,
    require_positive,
)
from libs.chain.quantities import BaseUnits, TokenUnits
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import account_message, checksummed, parse_evm_account

amounts = st.integers(min_value=0, max_value=MAX_UINT256)
decimals = st.integers(min_value=0, max_value=MAX_DECIMALS)


def refusal(parse: object, *arguments: object) -> Reason:
    with pytest.raises(AppError) as caught:
        parse(*arguments)  # type: ignore[operator]
    assert caught.value.field == "field"
    return caught.value.reason


@given(amounts, decimals)
def test_an_amount_survives_being_written(amount: int, places: int) -> None:
    text = format_decimal_amount(amount, decimals=places)
    assert parse_decimal_amount(text, places, "field") == amount
    assert parse_base_units(str(amount), "field") == amount
    assert "." not in text or not text.endswith("0")


@given(amounts, decimals)
def test_a_negative_amount_is_written_with_its_sign_and_never_read(amount: int, places: int) -> None:
    text = format_decimal_amount(-amount - 1, decimals=places)
    assert text == "-" + format_decimal_amount(amount + 1, decimals=places)
    assert refusal(parse_decimal_amount, text, places, "field") is Reason.AMOUNT_NOT_POSITIVE
    assert refusal(parse_base_units, f"-{amount}", "field") is Reason.AMOUNT_NOT_POSITIVE


@pytest.mark.parametrize(
    ("text", "places", "amount"),
    [("1", 6, 10**6), ("1.5", 6, 1_500_000), ("0.000001", 6, 1), ("7", 0, 7), ("0", 18, 0), ("1.50", 2, 150)],
)
def test_decimal_amounts(text: str, places: int, amount: int) -> None:
    assert parse_decimal_amount(text, places, "field") == amount


@pytest.mark.parametrize(
    ("text", "places", "reason"),
    [
        ("1.2345678", 6, Reason.AMOUNT_TOO_MANY_DECIMALS),
        ("1.0000000", 6, Reason.AMOUNT_TOO_MANY_DECIMALS),
        ("1.0", 0, Reason.AMOUNT_TOO_MANY_DECIMALS),
        (str(2**256), 0, Reason.AMOUNT_TOO_LARGE),
        (str(2**255), 1, Reason.AMOUNT_TOO_LARGE),
        ("9" * 79, 0, Reason.INVALID_AMOUNT),
        *[
            (text, 6, Reason.INVALID_AMOUNT)
            for text in ("", ".5", "5.", "1,5", "01", "1e3", "+1", " 1", "1\n", "٣", "0x1")
        ],
    ],
)
def test_decimal_amounts_that_are_refused(text: str, places: int, reason: Reason) -> None:
    assert refusal(parse_decimal_amount, text, places, "field") is reason


@pytest.mark.parametrize("text", ["", "1.0", "00", "1_000", "٣", "1 ", "1\n", "NaN"])
def test_base_units_are_plain_integers(text: str) -> None:
    assert refusal(parse_base_units, text, "field") is Reason.INVALID_AMOUNT


def test_an_amount_that_must_be_positive() -> None:
    assert require_positive(1, "field") == 1
    for amount in (0, -1):
        assert refusal(require_positive, amount, "field") is Reason.AMOUNT_NOT_POSITIVE
    assert refusal(parse_base_units, str(2**256), "field") is Reason.AMOUNT_TOO_LARGE


@given(amounts, amounts, st.integers(min_value=1, max_value=MAX_UINT256))
def test_a_share_rounds_down(total: int, balance: int, supply: int) -> None:
    share = pro_rata_floor(BaseUnits(total), balance=TokenUnits(balance), supply=TokenUnits(supply))
    assert share * supply <= total * balance < (share + 1) * supply


@pytest.mark.parametrize(("total", "balance", "supply"), [(1, 1, 0), (1, 1, -1), (-1, 1, 1), (1, -1, 1)])
def test_a_share_of_nothing_is_refused(total: int, balance: int, supply: int) -> None:
    with pytest.raises(ValueError, match="share"):
        pro_rata_floor(BaseUnits(total), balance=TokenUnits(balance), supply=TokenUnits(supply))


# EIP-55's own examples.
CHECKSUMMED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
]


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_an_address_is_read_in_each_spelling_and_shown_with_its_checksum(text: str) -> None:
    upper = "0x" + text[2:].upper()
    for spelling in (text, text.lower(), upper):
        address = parse_evm_account(spelling, "field")
        assert address == EvmAddress(text.lower())
        assert checksummed(address) == checksummed(str(address)) == text
        assert account_message(address).evm_address == text


def test_a_wrong_checksum_is_a_typing_error() -> None:
    wrong = CHECKSUMMED[0].replace("aAeb", "aaeb")
    assert refusal(parse_evm_account, wrong, "field") is Reason.INVALID_ADDRESS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.REQUIRED_FIELD_MISSING),
        ("0.0.1234", Reason.HEDERA_ID_NEEDS_MIRROR_NODE),
        *[
            (text, Reason.INVALID_ADDRESS)
            for text in (
                "0x" + "0" * 40,
                "0x12",
                "0X" + "a" * 40,
                "a" * 40,
                "0x" + "g" * 40,
                "0x" + "a" * 41,
                "0x" + "a" * 40 + "\n",
                "0.0.01234",
                "0.0",
                "0.0.1234-abcde",
            )
        ],
    ],
)
def test_accounts_that_are_refused(text: str, reason: Reason) -> None:
    assert refusal(parse_evm_account, text, "field") is reason


def test_an_address_is_kept_in_lower_case_only() -> None:
    for text in (CHECKSUMMED[0], "0x12", "0x" + "a" * 40 + "\n"):
        with pytest.raises(ValueError, match="lower-case"):
            EvmAddress(text)


@given(st.integers(min_value=0), st.integers(min_value=0), st.integers(min_value=0))
def test_a_hedera_id_survives_being_written(shard: int, realm: int, number: int) -> None:
    hedera_id = HederaId(shard, realm, number)
    assert HederaId.parse(str(hedera_id)) == hedera_id
    assert HederaId.parse(f"0{shard}.{realm}.{number}") is None
    assert HederaId.parse(f"{hedera_id}\n") is None


def test_digits_of_other_scripts_are_no_digits() -> None:
    """Python's int() would read them; two spellings of one amount or id are one too many."""
    assert HederaId.parse("0.0.1٣") is None
    with pytest.raises(AppError) as caught:
        parse_base_units("1٣", "amount")
    assert caught.value.reason is Reason.INVALID_AMOUNT
