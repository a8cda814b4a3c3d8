"""The result of a scenario, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from deploy.demo.payout import PaidDistribution
from deploy.demo.scene import decimal
from deploy.demo.settings import DemoSettings
from deploy.demo.verify import Verification
from libs.client.client import progress_of

_SHOWN_BATCHES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """The distribution of the scenario, and what the chain says about everything that was paid."""

    paid: PaidDistribution
    total_base_units: int
    verification: Verification

    def result(self, settings: DemoSettings, seconds: float) -> dict[str, object]:
        """Returns the figures of .run/demo.json."""
        progress = progress_of(self.paid.payout)
        return {
            "holders": settings.holder_count,
            # A redemption has more than one for a holder that gets tokens after it was paid.
            "payments": progress.holder_count,
            "paid": progress.paid_count,
            "zero_due": progress.zero_due_count,
            "failed": progress.failed_count,
            "total_base_units": str(self.total_base_units),
            "dust_base_units": str(self.verification.left_in_contract_base_units),
            "batches": len(self.paid.batches),
            "seconds": seconds,
            "verified": self.verification.is_verified,
            "distribution": self.paid.distribution.name,
            "scenario": settings.scenario.value,
            "version": int(settings.version),
        }


def print_batches(paid: PaidDistribution, console: Console) -> None:
    """Prints the batches of a payout with their transactions, gas and amounts."""
    transaction = Column("transaction", overflow="fold")
    table = Table("batch", transaction, "gas", "holders", "amount", title=paid.payout.name)
    for batch in paid.batches[:_SHOWN_BATCHES]:
        amount = batch.amount.decimal_amount if batch.amount else ""
        number = batch.name.rsplit("/", 1)[1]
        table.add_row(number, batch.transaction_hash, f"{batch.gas_used:,}", str(batch.holder_count), amount)
    hidden = paid.batches[_SHOWN_BATCHES:]
    if hidden:
        table.add_row(
            "...",
            f"{len(hidden)} more",
            f"{sum(batch.gas_used for batch in hidden):,}",
            str(sum(batch.holder_count for batch in hidden)),
            "",
        )
    total = sum(int(batch.amount.base_units) for batch in paid.batches if batch.amount)
    table.add_section()
    table.add_row(
        "",
        f"{len(paid.batches)} batches",
        f"{sum(batch.gas_used for batch in paid.batches):,}",
        str(sum(batch.holder_count for batch in paid.batches)),
        decimal(total),
    )
    console.print(table)
