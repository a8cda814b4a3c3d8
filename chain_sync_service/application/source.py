"""The port to the chain: one of two adapters, `evm` (JSON-RPC) or `mirror` (Hedera Mirror Node REST).

Every method raises AppError CHAIN_UNAVAILABLE when the source does not answer, or answers nonsense, and never
returns a part of what was asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chain_sync_service.domain.blocks import Block
from chain_sync_service.domain.facts import RawLog
from libs.chain.address import EvmAddress, HederaId
from libs.chain.quantities import BlockNumber
from libs.errors import AppError, Reason


class WindowRefusedError(Exception):
    """The source refuses the logs of so many blocks, or returned others than requested. Ask for fewer."""


class StateUnavailableError(Exception):
    """The source does not have the state of contracts at the requested block, or does not have it any more."""


class ChainChangedError(AppError):
    """The source serves another chain than the configured or recorded one.

    Nothing moves until this is corrected.
    """

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CHAIN_UNAVAILABLE, f"CHAIN_CHANGED: {message}")


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """A chain: its EIP-155 id (the configured one if the source has none) and the hash of its first block."""

    chain_id: int
    genesis_hash: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A query for logs: all of `contracts`, and Transfer logs of payment tokens to given receivers.

    `deposits` has the receivers (lifecycle contracts) by payment token. A contract may be in both; its logs then
    come once.
    """

    contracts: frozenset[EvmAddress]
    deposits: Mapping[EvmAddress, frozenset[EvmAddress]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A read-only call of a contract: the function's selector and encoded arguments."""

    contract: EvmAddress
    data: bytes


class Source(Protocol):
    """Reads the chain."""

    @property
    def kind(self) -> str:
        """The name of the source: `evm` or `mirror`."""
        ...

    async def identity(self) -> ChainIdentity:
        """Returns which chain the source serves."""
        ...

    async def head(self) -> Block:
        """Returns the newest block that the source has."""
        ...

    async def blocks(self, numbers: Sequence[BlockNumber]) -> list[Block | None]:
        """Returns the canonical blocks with these numbers, in order; None for one that the source lacks."""
        ...

    async def logs(self, query: LogQuery, *, from_block: BlockNumber, to_block: BlockNumber) -> list[RawLog]:
        """Returns the logs of a range of blocks, both ends included, each once, in order of block and place.

        Also raises WindowRefusedError.
        """
        ...

    async def call_many(self, calls: Sequence[ContractCall], block_number: BlockNumber) -> list[bytes | None]:
        """Returns the answers of contracts at a block, in order; None where a call reverts or there is no code.

        Also raises StateUnavailableError.
        """
        ...

    async def has_code(self, address: EvmAddress) -> bool:
        """Returns True if there is a contract (or a native token) at an address at the newest block."""
        ...

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        """Returns the EVM address of a Hedera entity.

        Also raises AppError, naming the field: HEDERA_ID_NEEDS_MIRROR_NODE, NOT_A_CONTRACT where there is none.
        """
        ...

    async def hedera_id(self, address: EvmAddress) -> str:
        """Returns the Hedera id of a contract, `shard.realm.num`; empty if the source or the contract has none."""
        ...
