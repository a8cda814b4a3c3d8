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
    """The source will not give the logs of so many blocks, or gave others than were asked for: ask for fewer."""


class StateUnavailableError(Exception):
    """The source does not have (any more) what contracts held at the block that was asked for."""


class ChainChangedError(AppError):
    """The source serves another chain than the configured or the recorded one. Nothing moves until it is right."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CHAIN_UNAVAILABLE, f"CHAIN_CHANGED: {message}")


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """Which chain: EIP-155 id (the configured one, where the source tells none) and hash of the first block."""

    chain_id: int
    genesis_hash: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs: all of `contracts`, and those Transfer logs of payment tokens that go to given receivers.

    `deposits` has the receivers (lifecycle contracts) by payment token. A contract may be in both; its logs then
    come once.
    """

    contracts: frozenset[EvmAddress]
    deposits: Mapping[EvmAddress, frozenset[EvmAddress]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A question to a contract: the function's selector and arguments as they are sent."""

    contract: EvmAddress
    data: bytes


class Source(Protocol):
    """Reads the chain."""

    @property
    def kind(self) -> str:
        """`evm` or `mirror`."""
        ...

    async def identity(self) -> ChainIdentity:
        """Which chain the source serves."""
        ...

    async def head(self) -> Block:
        """The newest block that it has."""
        ...

    async def blocks(self, numbers: Sequence[BlockNumber]) -> list[Block | None]:
        """The canonical blocks of these numbers, in order; None where it has none."""
        ...

    async def logs(self, query: LogQuery, *, from_block: BlockNumber, to_block: BlockNumber) -> list[RawLog]:
        """The logs of a range of blocks, both ends included, each once, ordered by block and place in it.

        Also raises WindowRefusedError.
        """
        ...

    async def call_many(self, calls: Sequence[ContractCall], block_number: BlockNumber) -> list[bytes | None]:
        """What contracts answer at a block, in order; None where a call reverts, or the address has no code.

        Also raises StateUnavailableError.
        """
        ...

    async def has_code(self, address: EvmAddress) -> bool:
        """True if there is a contract (or a native token) at an address at the newest block."""
        ...

    async def resolve(self, hedera_id: HederaId, field_name: str) -> EvmAddress:
        """The EVM address of a Hedera entity.

        Also raises AppError, naming the field: HEDERA_ID_NEEDS_MIRROR_NODE, NOT_A_CONTRACT where there is none.
        """
        ...

    async def hedera_id(self, address: EvmAddress) -> str:
        """The Hedera id of a contract, `shard.realm.num`; empty where there is none or the source has no ids."""
        ...
