"""The figures that `make test-ats` prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HEADINGS: Final = ("call", "payees", "first batch", "batches", "gas of the first", "a payee")


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How a payout was cut into batches: `first_batch` payees in the first, which used `first_gas_used`."""

    call: str
    payees: int
    first_batch: int
    batches: int
    first_gas_used: int

    @property
    def cells(self) -> tuple[str, ...]:
        """For people. A batch's fixed cost is shared by its payees."""
        figures = (self.payees, self.first_batch, self.batches, self.first_gas_used)
        return (self.call, *(f"{figure:,}" for figure in figures), f"{self.first_gas_used // self.first_batch:,}")


def table_of(sizes: Sequence[BatchSize], gas_cap: int) -> list[str]:
    """Lines: a table, and how far cheapest and dearest are apart."""
    rows = [_HEADINGS, *(size.cells for size in sizes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    most, least = max(size.first_batch for size in sizes), min(size.first_batch for size in sizes)
    return [*lines, f"cheapest : dearest = {most} : {least} payees, cap {gas_cap:,} gas; no batch ran out of gas"]
