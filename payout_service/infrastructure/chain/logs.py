"""Decodes what several readers of logs share."""

from collections.abc import Sequence

from libs.chain.address import EvmAddress
from libs.evm import interfaces
from libs.evm.abi import Event, UndecodableError
from libs.evm.rpc import Log


def is_of(log: Log, event: Event) -> bool:
    """True if it is a log of this event."""
    return log.topics[:1] == (event.topic,)


def transfers_of(logs: Sequence[Log], token: EvmAddress) -> list[tuple[str, str, int]]:
    """Sender, receiver and amount of each transfer of a token."""
    found = [transfer_of(log) for log in logs if log.address == token.value and is_of(log, interfaces.TRANSFER)]
    return [each for each in found if each is not None]


def transfer_of(log: Log) -> tuple[str, str, int] | None:
    """Sender, receiver and amount; None for another layout, which proves nothing: the payee is then disputed."""
    try:
        sender, receiver, amount = interfaces.TRANSFER.decode(log.topics, log.data)
    except UndecodableError:
        return None
    return sender, receiver, amount


def hex_of(data: bytes) -> str:
    """As JSON-RPC wants bytes."""
    return "0x" + data.hex()
