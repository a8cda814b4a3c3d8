"""Exports payments as CSV (RFC 4180), in pieces, so that memory use does not grow with the number of payments."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.chain.amount import format_decimal_amount
from libs.grpc_kit.accounts import checksummed
from payout_service.application.ports.reads import PaymentView
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState

COLUMNS = (
    "row",
    "round",
    "holder",
    "balance_base_units",
    "gross_base_units",
    "withheld_base_units",
    # Net.
    "amount_base_units",
    "deferred_base_units",
    "gross",
    "withheld",
    "amount",
    "symbol",
    "state",
    "reason",
    "detail",
    "transaction_hash",
    "update_time",
)
# A message of 4 MiB is refused by many clients.
_LONGEST_PIECE_BYTES = 1024 * 1024
# What a spreadsheet takes for the beginning of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class CsvPiece:
    """Whole rows of the CSV, and the number of the last row (from 1; 0 when there is only the header)."""

    content: bytes
    last_row: int


async def csv_pieces(
    pages: AsyncIterator[Sequence[PaymentView]], contract: LifecycleContract, *, with_header: bool
) -> AsyncGenerator[CsvPiece, None]:
    """Yields at least one piece for each page of payments, more for pages of long rows. The header comes first.

    Without payments the header alone is a piece.
    """
    piece = _Piece(contract)
    if with_header:
        piece.add_header()
    async for page in pages:
        for payment in page:
            piece.add(payment)
            if piece.size_bytes >= _LONGEST_PIECE_BYTES:
                yield piece.take()
        if piece.size_bytes:
            yield piece.take()
    if piece.size_bytes:
        yield piece.take()


class _Piece:
    """Collects rows for one piece."""

    def __init__(self, contract: LifecycleContract) -> None:
        self._contract = contract
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")
        self._last_row = 0

    @property
    def size_bytes(self) -> int:
        """The approximate size. It is exact for ASCII, which everything but some details is."""
        return self._buffer.tell()

    def add_header(self) -> None:
        """Adds the row with the names of the columns."""
        self._writer.writerow(COLUMNS)

    def add(self, payment: PaymentView) -> None:
        """Adds the row of one payment."""
        self._last_row = payment.ordinal + 1
        self._writer.writerow(
            (
                self._last_row,
                payment.round_number,
                checksummed(payment.holder),
                payment.balance,
                payment.gross_base_units,
                payment.withheld_base_units,
                payment.amount_base_units,
                payment.amount_base_units if payment.state is PaymentState.DEFERRED else 0,
                self._decimal(payment.gross_base_units),
                self._decimal(payment.withheld_base_units),
                self._decimal(payment.amount_base_units),
                without_formula(self._contract.payment_token_symbol),
                payment.state.value,
                payment.reason,
                without_formula(payment.detail),
                payment.transaction_hash,
                _rfc_3339(payment.update_time),
            )
        )

    def _decimal(self, amount_base_units: int) -> str:
        return format_decimal_amount(amount_base_units, decimals=self._contract.payment_token_decimals)

    def take(self) -> CsvPiece:
        """Returns what was collected and starts anew."""
        content = self._buffer.getvalue().encode()
        self._buffer.seek(0)
        self._buffer.truncate()
        return CsvPiece(content, self._last_row)


def without_formula(text: str) -> str:
    """Returns text from the chain, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _rfc_3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
