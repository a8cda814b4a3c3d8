"""Refuses to work with a node on another chain than the journal's.

Compares genesis hashes, as an id is not enough.
"""

from libs.chain.address import EvmAddress
from payout_service.application.engine import Engine
from payout_service.application.sending.lanes import Lanes
from payout_service.domain.transaction import NonceLane


class WrongChainError(Exception):
    """The node is on another chain than the journal. Nothing is read, signed or sent."""


async def refuse_wrong_chain(engine: Engine | Lanes, signer: EvmAddress) -> tuple[NonceLane | None, str]:
    """Returns the signer's lane, if there is one, and the chain's genesis hash.

    Raises WrongChainError, and AppError CHAIN_UNAVAILABLE.
    """
    genesis_hash = await engine.rail.genesis_hash()
    if await engine.rail.chain_id() != engine.chain_id:
        raise WrongChainError(f"the node is on another chain than the configured {engine.chain_id}")
    if engine.devnet_genesis_hash and engine.devnet_genesis_hash != genesis_hash:
        raise WrongChainError("the node is not on the embedded chain whose genesis hash is configured")
    async with engine.unit_of_work() as work:
        lane = await work.journal.find_lane(engine.chain_id, signer)
    if lane and lane.genesis_hash != genesis_hash:
        raise WrongChainError(
            f"the journal of chain {engine.chain_id} is of another chain with the same id; nothing is signed"
        )
    return lane, genesis_hash
