"""What no honest mirror node answers is refused, whatever the pages look like."""

import pytest

from chain_sync_service.application.source import WindowRefusedError
from chain_sync_service.infrastructure.mirror_answers import Rows, Search, Window
from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber
from libs.evm.interfaces import TRANSFER
from libs.hedera.mirror import MirrorUnavailableError

TOKEN = EvmAddress("0x" + "ab" * 20)
SEARCH = Search(TOKEN, None, {}, from_nanoseconds=0, to_nanoseconds=10**10)
WINDOW = Window(from_block=BlockNumber(1), to_block=BlockNumber(9), from_nanoseconds=0, to_nanoseconds=10**10)


def row(place: int, **others: object) -> dict[str, object]:
    """A log of the token's transfer at a second, in one page's form."""
    return {
        "address": TOKEN.value,
        "contract_id": "0.0.5",
        "data": None,
        "index": 0,
        "topics": ["0x" + TRANSFER.topic.hex(), f"0x{1:064x}", f"0x{2:064x}"],
        "timestamp": f"{place}.0",
        "block_number": 1,
        "block_hash": f"0x{1:064x}",
        "transaction_hash": f"0x{place:064x}",
        **others,
    }


def test_a_page_may_begin_with_the_end_of_the_one_before() -> None:
    rows = Rows(SEARCH, WINDOW)
    for page in ([row(1), row(2), row(3)], [row(2), row(3), row(4)], [row(3), row(4)], []):
        rows.take(page)
    assert [place for place, _ in rows.taken] == [second * 10**9 for second in (1, 2, 3, 4)]


@pytest.mark.parametrize("again", [[row(1), row(2), row(3)], [row(1), row(2)], [row(2)], [row(3), row(2)]])
def test_a_page_that_brings_nothing_but_older_rows_is_refused(again: list[dict[str, object]]) -> None:
    rows = Rows(SEARCH, WINDOW)
    rows.take([row(1), row(2), row(3)])
    with pytest.raises(WindowRefusedError, match="same page"):
        rows.take(again)


@pytest.mark.parametrize(
    "told",
    [
        5,
        row(1, topics=None),
        row(1, topics=["0x1"]),
        row(1, data="12"),
        row(1, index=-1),
        row(1, index=True),
        row(1, index="0"),
        row(1, block_number=1.0),
        row(1, transaction_hash="0x12"),
        row(1, block_hash=None),
        row(1, timestamp=1.5),
        row(1, address=None),
    ],
)
def test_a_malformed_row_is_refused(told: object) -> None:
    with pytest.raises(MirrorUnavailableError, match=r"malformed|belongs|there should be"):
        Rows(SEARCH, WINDOW).take([told])


def test_a_transfer_to_somebody_else_is_refused() -> None:
    receiver, other = (number.to_bytes(32, "big") for number in (2, 3))
    Rows(Search(TOKEN, (receiver,), {}, from_nanoseconds=0, to_nanoseconds=10**10), WINDOW).take([row(1)])
    with pytest.raises(WindowRefusedError, match="not asked for"):
        Rows(Search(TOKEN, (other,), {}, from_nanoseconds=0, to_nanoseconds=10**10), WINDOW).take([row(1)])
