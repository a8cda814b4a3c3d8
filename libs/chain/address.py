"""EVM addresses and Hedera entity ids. Reading what people write, with checksums, is in grpc_kit/accounts."""

import re
from dataclasses import dataclass

_LOWER_EVM_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
# Strict on purpose (docs/facts-hedera.md#addresses): leading zeros or other scripts' digits would give one
# account two spellings.
_HEDERA_ID = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


@dataclass(frozen=True, slots=True, order=True)
class EvmAddress:
    """A 20-byte EVM address, kept in lower case so that equal addresses are equal strings."""

    value: str

    def __post_init__(self) -> None:
        if not _LOWER_EVM_ADDRESS.fullmatch(self.value):
            raise ValueError(f"not a lower-case EVM address: {self.value!r}")

    def __str__(self) -> str:
        return self.value

    @property
    def is_long_zero(self) -> bool:
        """True for the addresses of Hedera's own entities, such as HTS tokens: 12 zero bytes and a number."""
        return self.value.startswith("0x" + "0" * 24)


@dataclass(frozen=True, slots=True)
class HederaId:
    """A Hedera entity id, `shard.realm.num`."""

    shard: int
    realm: int
    num: int

    def __str__(self) -> str:
        return f"{self.shard}.{self.realm}.{self.num}"

    @classmethod
    def parse(cls, text: str) -> "HederaId | None":
        """Reads a Hedera id; None when the text is not one."""
        match = _HEDERA_ID.fullmatch(text)
        return cls(int(match[1]), int(match[2]), int(match[3])) if match else None
