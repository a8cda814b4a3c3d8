"""Encoding and decoding by our fragments."""

import pytest
from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError

from libs.evm.abi import UndecodableError
from libs.evm.interfaces import BALANCE_OF, GET_ERC20_METADATA, INVALID_ASSET, TRANSFER

SENDER, RECEIVER = "0x" + "11" * 20, "0x" + "22" * 20


def topic(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def test_a_transfer_is_decoded_in_the_order_of_its_signature() -> None:
    topics = (TRANSFER.topic, topic(SENDER), topic(RECEIVER))
    assert TRANSFER.decode(topics, encode(["uint256"], [7])) == (SENDER, RECEIVER, 7)


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ((), b""),
        ((TRANSFER.topic,), encode(["address", "address", "uint256"], [SENDER, RECEIVER, 7])),
        ((TRANSFER.topic, topic(SENDER), topic(RECEIVER), bytes(32)), b""),
        ((bytes(32), topic(SENDER), topic(RECEIVER)), encode(["uint256"], [7])),
        ((TRANSFER.topic, topic(SENDER), topic(RECEIVER)), b"\x01"),
        ((TRANSFER.topic, b"\xff" * 32, topic(RECEIVER)), encode(["uint256"], [7])),
        ((TRANSFER.topic, topic(SENDER)[:31], topic(RECEIVER)), encode(["uint256"], [7])),
    ],
)
def test_a_log_of_another_layout_is_undecodable(topics: tuple[bytes, ...], data: bytes) -> None:
    with pytest.raises(UndecodableError):
        TRANSFER.decode(topics, data)


@pytest.mark.parametrize("data", [b"", b"\x00" * 31, b"\xff" * 64, b"\x00" * 32])
def test_an_answer_of_another_shape_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        GET_ERC20_METADATA.decode(data)


def test_text_that_is_no_utf8_is_undecodable() -> None:
    good = encode(["((string,string,string,uint8),uint8)"], [(("Name", "S", "I", 2), 1)])
    assert GET_ERC20_METADATA.decode(good) == ((("Name", "S", "I", 2), 1),)
    with pytest.raises(UndecodableError):
        GET_ERC20_METADATA.decode(good.replace(b"Name", b"N\xff\xfee"))


def test_a_call_begins_with_the_selector() -> None:
    assert BALANCE_OF.encode(SENDER).hex() == "70a08231" + "0" * 24 + "11" * 20


def test_an_errors_values_are_decoded() -> None:
    data = INVALID_ASSET.selector + encode(["address"], [SENDER])
    assert INVALID_ASSET.decode(data) == (SENDER,)


@pytest.mark.parametrize("address", ["0x" + "00" * 20, "0x" + "ab" * 20, "0x" + "ff" * 20, "0x" + "AB" * 20])
def test_one_address_is_encoded_as_eth_abi_does(address: str) -> None:
    assert BALANCE_OF.encode(address) == BALANCE_OF.selector + encode(["address"], [address])


@pytest.mark.parametrize("address", ["0x" + "ab" * 19, "0x" + "zz" * 20, 7])
def test_what_is_no_address_is_not_encoded(address: object) -> None:
    with pytest.raises(EncodingError):
        BALANCE_OF.encode(address)


@pytest.mark.parametrize("amount", [0, 1, 2**255, 2**256 - 1])
def test_one_integer_is_decoded_as_eth_abi_does(amount: int) -> None:
    assert BALANCE_OF.decode(encode(["uint256"], [amount])) == (amount,)
