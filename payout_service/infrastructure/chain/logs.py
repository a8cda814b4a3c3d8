"""Helpers that decode logs, shared by several readers."""

from collections.abc import Sequence

from libs.chain.address import EvmAddress
from libs.evm import interfaces
from libs.evm.abi import Event, UndecodableError
from libs.evm.rpc import Log


def is_of(log: Log, event: Event) -> bool:
    """Returns True if a log is of this event."""
    return log.topics[:1] == (event.topic,)


def transfers_of(logs: Sequence[Log], token: EvmAddress) -> list[tuple[str, str, int]]:
    """Returns sender, receiver and amount of each transfer of a token."""
    found = [transfer_of(log) for log in logs if log.address == token.value and is_of(log, interfaces.TRANSFER)]
    return [each for each in found if each is not None]


def transfer_of(log: Log) -> tuple[str, str, int] | None:
    """Returns sender, receiver and amount.

    None for another layout: it proves nothing, so the payee is disputed.
    """
    try:
        sender, receiver, amount = interfaces.TRANSFER.decode(log.topics, log.data)
    except UndecodableError:
        return None
    return sender, receiver, amount


def hex_of(data: bytes) -> str:
    """Returns bytes in the notation of JSON-RPC."""
    return "0x" + data.hex()
