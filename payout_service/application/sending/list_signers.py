"""Lists the signers with their nonces and what is queued, for operators."""

from dataclasses import dataclass

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from payout_service.application.engine import Engine
from payout_service.domain.waits import told


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerView:
    """A signer's lane for operators.

    `next_nonce` is 0 before its first use; `halted_because` is empty while it may sign.
    """

    address: EvmAddress
    chain_id: int
    next_nonce: Nonce
    in_flight_count: int
    queued_count: int
    halted_because: str


async def list_signers(engine: Engine) -> list[SignerView]:
    """Returns all configured signers."""
    return [await view_signer(engine, signer) for signer in engine.signers]


async def view_signer(engine: Engine, signer: EvmAddress) -> SignerView:
    """Returns one signer."""
    async with engine.unit_of_work() as work:
        lane = await work.journal.find_lane(engine.chain_id, signer)
        in_flight = await work.journal.in_flight(engine.chain_id, signer)
        queued_count = await work.journal.queued_count(engine.chain_id, signer)
    return SignerView(
        address=signer,
        chain_id=engine.chain_id,
        next_nonce=lane.next_nonce if lane else Nonce(0),
        in_flight_count=len(in_flight),
        queued_count=queued_count,
        halted_because=told(lane.halted_because if lane else None),
    )
