"""The CSV of a payout's payments: read back by another reader, in pieces, from any row on."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from libs.chain.quantities import BaseUnits, TokenUnits
from libs.grpc_kit.accounts import checksummed
from payout_service.api import payments_csv
from payout_service.api.payments_csv import COLUMNS, CsvPiece, csv_pieces, without_formula
from payout_service.application.ports.reads import PaymentView
from payout_service.domain.payments import PaymentState
from tests.support.payout.memory_chain import holder
from tests.support.payout.stage import ready_contract

MOMENT = datetime(2026, 3, 1, 12, 30, 5, 250_000, UTC)


def payment(ordinal: int, **changes: object) -> PaymentView:
    view = PaymentView(
        ordinal=ordinal,
        holder=holder(ordinal + 0xABCDEF),
        balance=TokenUnits(10**30 + ordinal),
        amount_base_units=BaseUnits(1_500_000 + ordinal),
        state=PaymentState.PAID,
        reason="",
        detail="",
        tries=1,
        retry_time=None,
        batch_number=1,
        transaction_hash="0x" + "12" * 32,
        update_time=MOMENT,
        withheld_base_units=BaseUnits(0),
        excluded_base_units=BaseUnits(0),
        withholding_basis_points=0,
        round_number=1,
    )
    return replace(view, **changes)  # type: ignore[arg-type]


async def pages_of(*pages: Sequence[PaymentView]) -> AsyncIterator[Sequence[PaymentView]]:
    for page in pages:
        yield page


async def pieces_of(*pages: Sequence[PaymentView], with_header: bool = True) -> list[CsvPiece]:
    return [piece async for piece in csv_pieces(pages_of(*pages), ready_contract(), with_header=with_header)]


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


async def test_a_row_holds_both_amounts_and_the_time_in_utc() -> None:
    later = MOMENT.astimezone(timezone(timedelta(hours=2)))
    (piece,) = await pieces_of([payment(0, update_time=later)])
    (row,) = read(piece.content)
    assert row == {
        "row": "1",
        "round": "1",
        "holder": checksummed(holder(0xABCDEF)),
        "balance_base_units": str(10**30),
        "gross_base_units": "1500000",
        "withheld_base_units": "0",
        "amount_base_units": "1500000",
        "deferred_base_units": "0",
        "gross": "1.5",
        "withheld": "0",
        "amount": "1.5",
        "symbol": "DUSD",
        "state": "PAID",
        "reason": "",
        "detail": "",
        "transaction_hash": "0x" + "12" * 32,
        "update_time": "2026-03-01T12:30:05.250000Z",
    }
    assert tuple(row) == COLUMNS
    assert piece.content.endswith(b"Z\r\n")


def documented_columns() -> tuple[str, ...]:
    """The columns as the comment of ExportPayments lists them."""
    comment = (Path(__file__).parents[3] / "protos/masspayout/payout/v1/payout_service.proto").read_text()
    listed = " ".join(comment.split("Columns:")[1].split(". ")[0].replace("//", " ").split())
    return tuple(name.removesuffix(" (net)") for name in listed.split(", "))


def test_the_columns_are_those_of_the_proto() -> None:
    assert documented_columns() == COLUMNS


async def test_a_row_tells_gross_withheld_net_and_deferred() -> None:
    pages = [
        payment(0, amount_base_units=700_000, withheld_base_units=300_000, withholding_basis_points=3_000),
        payment(1, amount_base_units=0, excluded_base_units=250_000, state=PaymentState.EXCLUDED),
        payment(2, amount_base_units=90, withheld_base_units=10, state=PaymentState.DEFERRED),
        payment(3, amount_base_units=5, round_number=3),
    ]
    (piece,) = await pieces_of(pages)
    names = ("gross_base_units", "withheld_base_units", "amount_base_units", "deferred_base_units")
    rows = read(piece.content)
    assert [[row[name] for name in names] for row in rows] == [
        ["1000000", "300000", "700000", "0"],
        ["250000", "0", "0", "0"],
        ["100", "10", "90", "90"],
        ["5", "0", "5", "0"],
    ]
    assert [(row["gross"], row["withheld"], row["amount"]) for row in rows[:2]] == [
        ("1", "0.3", "0.7"),
        ("0.25", "0", "0"),
    ]
    assert [row["round"] for row in rows] == ["1", "1", "1", "3"]


async def test_what_a_token_says_survives_quoting() -> None:
    detail = 'said "no, never"\r\nthen, again: \N{SNOWMAN}'
    failed = payment(0, state=PaymentState.FAILED, reason="TRANSFER_REFUSED", detail=detail)
    (piece,) = await pieces_of([failed, payment(1)])
    rows = read(piece.content)
    assert [row["detail"] for row in rows] == [detail, ""]
    assert piece.last_row == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
async def test_nothing_from_the_chain_is_a_formula(start: str) -> None:
    assert without_formula(f"{start}HYPERLINK()") == f"'{start}HYPERLINK()"
    assert without_formula(f"a{start}") == f"a{start}"
    contract = replace(ready_contract(), payment_token_symbol=f"{start}USD")
    pages = pages_of([payment(0, detail=f"{start}1")])
    (piece,) = [each async for each in csv_pieces(pages, contract, with_header=True)]
    (row,) = read(piece.content)
    assert (row["symbol"], row["detail"]) == (f"'{start}USD", f"'{start}1")


async def test_one_header_and_a_piece_for_each_page() -> None:
    pieces = await pieces_of([payment(0), payment(1)], [payment(2)])
    assert [piece.last_row for piece in pieces] == [2, 3]
    whole = b"".join(piece.content for piece in pieces)
    assert [row["row"] for row in read(whole)] == ["1", "2", "3"]
    assert whole.count(b"holder") == 1


async def test_a_stream_that_goes_on_has_no_header_and_makes_the_same_file() -> None:
    whole = b"".join(piece.content for piece in await pieces_of([payment(0), payment(1), payment(2)]))
    first, *_ = await pieces_of([payment(0)], [payment(1), payment(2)])
    rest = await pieces_of([payment(1), payment(2)], with_header=False)
    assert first.content + b"".join(piece.content for piece in rest) == whole


async def test_without_payments_there_is_the_header_or_nothing() -> None:
    (piece,) = await pieces_of()
    assert (piece.content.decode(), piece.last_row) == (",".join(COLUMNS) + "\r\n", 0)
    assert await pieces_of(with_header=False) == []


async def test_pages_of_long_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments_csv, "_LONGEST_PIECE_BYTES", 1000)
    pieces = await pieces_of([payment(number, detail="x" * 300) for number in range(20)])
    assert len(pieces) > 4
    assert max(len(piece.content) for piece in pieces) < 2000
    rows = read(b"".join(piece.content for piece in pieces))
    assert [row["row"] for row in rows] == [str(number + 1) for number in range(20)]
    assert pieces[-1].last_row == 20
