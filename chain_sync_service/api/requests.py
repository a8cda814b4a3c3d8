"""Parses accounts, lists of holders and block numbers in the requests of this service."""

from collections.abc import Sequence

from chain_sync_service.application.source import Source
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import parse_evm_account

MAX_HOLDERS = 1000
_MAX_BLOCK = 2**62


async def resolve_account(source: Source, text: str, field: str) -> EvmAddress:
    """Returns the EVM address of an account in EVM or Hedera notation.

    Raises AppError, naming `field`: REQUIRED_FIELD_MISSING, INVALID_ADDRESS, HEDERA_ID_NEEDS_MIRROR_NODE,
    NOT_A_CONTRACT for a Hedera id that is none, CHAIN_UNAVAILABLE.
    """
    hedera_id = HederaId.parse(text)
    if hedera_id is None:
        return parse_evm_account(text, field)
    return await source.resolve(hedera_id, field)


def parse_holders(holders: Sequence[str]) -> list[str]:
    """Returns the addresses in lower case.

    Raises AppError TOO_MANY_HOLDERS, INVALID_ADDRESS or REQUIRED_FIELD_MISSING.
    """
    if len(holders) > MAX_HOLDERS:
        raise AppError(
            Reason.TOO_MANY_HOLDERS,
            f"{len(holders)} holders; at most {MAX_HOLDERS} in one call",
            field="holders",
        )
    return [parse_evm_account(holder, f"holders[{index}]").value for index, holder in enumerate(holders)]


def parse_block(number: int, field: str) -> BlockNumber:
    """Returns a block number. Raises AppError INVALID_BLOCK."""
    if not 0 <= number <= _MAX_BLOCK:
        raise AppError(Reason.INVALID_BLOCK, f"{field} {number} is no block number", field=field)
    return BlockNumber(number)
