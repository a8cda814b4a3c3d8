"""Whether a redemption has reached every token: those that nobody on the bond's list holds free."""

from libs.payout_terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.payout_conditions import entitlement_source
from payout_service.domain.lifecycle import LifecycleContract

# Of holders that a redemption has left on the bond's list: their tokens are worth less than a base unit each.
_MOST_PAGES = 20


async def tokens_left(engine: Engine, contract: LifecycleContract, block_number: int) -> int | None:
    """Base units of the bond at a block that are not free, or whose holders its list lacks.

    Version 7 drops a holder from its list whose free tokens leave while others are frozen. None where the list is
    too long to tell: then not everybody on it was paid. Raises AppError CHAIN_UNAVAILABLE.
    """
    _, supply = await engine.contracts.live_totals(contract.token, block_number)
    if supply == 0:
        return 0
    source = entitlement_source(contract, PayoutKind.REDEMPTION, 0)
    free, length = 0, engine.settings.plan_page_size
    for number in range(_MOST_PAGES):
        page = await engine.contracts.entitled_page(source, number, length, block_number)
        free += sum({each.holder: each.balance for each in page}.values())
        if len(page) < length:
            return max(0, supply - free)
    return None


def told_tokens_left(tokens: int, block_number: int) -> str:
    """For people."""
    return f"{tokens} base units of the bond at block {block_number} are not free, or of holders not on its list"
