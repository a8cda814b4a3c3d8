"""Parses single values in messages from our other services.

A malformed value raises ValueError: the sender is defective.
"""

from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.amount import parse_base_units
from libs.errors import AppError


def read_base_units(text: str) -> int:
    """Returns an amount in base units. Raises ValueError, also for an empty text, which does not mean zero."""
    try:
        return parse_base_units(text, "amount")
    except AppError as error:
        raise ValueError(f"{text!r} is not an amount in base units") from error


def read_address(text: str) -> EvmAddress:
    """Returns an EVM address given in any spelling. Raises ValueError."""
    return EvmAddress(text.lower())


def read_resource_id(name: str, collection: str) -> UUID:
    """Returns the id from `collection/{uuid}`. Raises ValueError."""
    prefix, _, identifier = name.partition("/")
    if prefix != collection or str(UUID(identifier)) != identifier:
        raise ValueError(f"{name!r} is not of the form {collection}/<uuid>")
    return UUID(identifier)
