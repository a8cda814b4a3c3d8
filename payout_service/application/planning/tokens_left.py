"""Counts the tokens that a redemption cannot reach: those that no holder on the bond's list holds free."""

from libs.chain.quantities import BlockNumber, HolderAddress, TokenUnits
from libs.payout_terms.terms import PayoutKind
from payout_service.application.engine import Engine
from payout_service.application.planning.payout_conditions import entitlement_source
from payout_service.domain.lifecycle import LifecycleContract

# Of holders on the bond's list, each with tokens that are worth less than a base unit.
_MOST_HOLDERS = 200_000


async def tokens_left(engine: Engine, contract: LifecycleContract, block_number: BlockNumber) -> TokenUnits | None:
    """Returns the base units of the bond at a block that are not free or whose holders are not on its list.

    Version 7 drops a holder from its list whose free tokens leave while others are frozen. None where the list is
    too long to tell. Raises AppError CHAIN_UNAVAILABLE.
    """
    _, supply = await engine.security_token.live_totals(contract.token, block_number)
    if supply == 0:
        return TokenUnits(0)
    source = entitlement_source(contract, PayoutKind.REDEMPTION, 0)
    length = engine.settings.plan_page_size
    # By holder: version 7 may list one twice.
    free: dict[HolderAddress, TokenUnits] = {}
    for number in range(_MOST_HOLDERS // length):
        page = await engine.security_token.entitled_page(
            source, page=number, length=length, block_number=block_number
        )
        free.update((each.holder, each.balance) for each in page)
        if len(page) < length:
            return TokenUnits(max(0, supply - sum(free.values())))
    return None


def told_tokens_left(tokens: TokenUnits | None, block_number: BlockNumber) -> str:
    """Formats the number of tokens left for people."""
    if tokens is None:
        return f"the bond lists more than {_MOST_HOLDERS} holders at block {block_number}; what is left is unknown"
    return f"{tokens} base units of the bond at block {block_number} are not free, or of holders not on its list"
