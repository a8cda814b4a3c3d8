"""Reads a treasury's balance at a block that is recent enough to promise money from it."""

from dataclasses import dataclass

from libs.chain.quantities import BaseUnits, BlockNumber
from libs.errors import AppError, Reason
from payout_service.application.engine import Engine
from payout_service.domain.treasury import TreasuryKey


@dataclass(frozen=True, slots=True)
class BalanceLook:
    """A balance in base units at a block, and the treasury's version before it was read.

    What is promised from it counts only under the treasury's lock, and while the version is the same: were a
    commitment reduced in between, the balance could still hold money that has left since.
    """

    version: int
    balance_base_units: BaseUnits
    block_number: BlockNumber


async def look_at_balance(engine: Engine, key: TreasuryKey) -> BalanceLook:
    """Reads the balance at a named block that is not older than any settled payment.

    Raises AppError CHAIN_UNAVAILABLE, also when the node lags behind what is settled: it would count money twice.
    """
    async with engine.unit_of_work() as work:
        version = await work.treasury.version(key)
        settled_block = await work.treasury.settled_block(key)
    head = await engine.rail.head()
    if head.number < settled_block:
        raise AppError(
            Reason.CHAIN_UNAVAILABLE, f"the node lags: it is at block {head.number}, {settled_block} is settled"
        )
    balance = await engine.payment_token.payment_token_balance(
        key.payment_token, key.lifecycle_contract, head.number
    )
    return BalanceLook(version, balance, head.number)
