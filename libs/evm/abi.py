"""Encodes calls and decodes answers, logs and errors of contracts, from ABI fragments held as plain values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

_WORD_BYTES = 32
_ONE_ADDRESS = ("address",)
_ONE_INTEGER = ("uint256",)
_LOWER_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ADDRESS_PADDING = bytes(12)


class UndecodableError(Exception):
    """The bytes do not have the shape that the fragment describes."""


@dataclass(frozen=True)
class Function:
    """A contract function: its name and the canonical types of its inputs and outputs."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def signature(self) -> str:
        """The canonical signature, `name(type,...)`."""
        return f"{self.name}({','.join(self.inputs)})"

    @cached_property
    def selector(self) -> bytes:
        """The first 4 bytes of the signature's keccak-256."""
        return keccak(text=self.signature)[:4]

    def encode(self, *arguments: object) -> bytes:
        """Returns the calldata of a call. Raises eth_abi's EncodingError for a value outside its type."""
        if self.inputs == _ONE_ADDRESS and _LOWER_ADDRESS.fullmatch(str(arguments[0])):
            # As eth_abi does it, in a sixtieth of the time: holdings are read by the hundred thousand.
            return self.selector + _ADDRESS_PADDING + bytes.fromhex(str(arguments[0])[2:])
        return self.selector + encode(self.inputs, arguments)

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Returns the returned values. Raises UndecodableError, also for an empty answer."""
        if self.outputs == _ONE_INTEGER and len(data) == _WORD_BYTES:
            return (int.from_bytes(data, "big"),)
        return _decode(self.outputs, data, self.name)


@dataclass(frozen=True)
class Event:
    """A contract event: its name, the canonical types in order, and which of them are indexed."""

    name: str
    inputs: tuple[str, ...]
    indexed: tuple[bool, ...]

    @property
    def signature(self) -> str:
        """The canonical signature, `Name(type,...)`."""
        return f"{self.name}({','.join(self.inputs)})"

    @cached_property
    def topic(self) -> bytes:
        """topic0, the keccak-256 of the signature."""
        return keccak(text=self.signature)

    def decode(self, topics: Sequence[bytes], data: bytes) -> tuple[Any, ...]:
        """Returns the event's values in their order. Raises UndecodableError for a log of another layout."""
        expected_topics = 1 + sum(self.indexed)
        if len(topics) != expected_topics or topics[0] != self.topic:
            raise UndecodableError(f"{self.name}: a log with {len(topics)} topics has another layout")
        indexed_types = [kind for kind, flag in zip(self.inputs, self.indexed, strict=True) if flag]
        plain_types = [kind for kind, flag in zip(self.inputs, self.indexed, strict=True) if not flag]
        indexed = iter(_decode(indexed_types, b"".join(topics[1:]), self.name))
        plain = iter(_decode(plain_types, data, self.name))
        return tuple(next(indexed) if flag else next(plain) for flag in self.indexed)


@dataclass(frozen=True)
class ContractError:
    """A contract's custom error: its name and canonical types."""

    name: str
    inputs: tuple[str, ...]

    @property
    def signature(self) -> str:
        """The canonical signature, `Name(type,...)`."""
        return f"{self.name}({','.join(self.inputs)})"

    @cached_property
    def selector(self) -> bytes:
        """The first 4 bytes of the signature's keccak-256."""
        return keccak(text=self.signature)[:4]

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """Returns the error's values from revert data with its selector. Raises UndecodableError."""
        return _decode(self.inputs, data[4:], self.name)


def _decode(types: Sequence[str], data: bytes, name: str) -> tuple[Any, ...]:
    if not types:
        return ()
    try:
        return decode(types, data)
    # eth_abi raises its own errors for short data and bad padding, and Python's for bad UTF-8 and sizes.
    except Exception as error:
        raise UndecodableError(f"{name}: {type(error).__name__}: {error}") from error
