"""Computes how many payees fit into one call, from two gas estimates on the present chain."""

from dataclasses import dataclass

# Selector, four words of arguments, the array's length word.
_CALLDATA_BASE_BYTES = 4 + 4 * 32 + 32
_CALLDATA_BYTES_PER_PAYEE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """The caps of one call. `gas_margin_percent` is kept free below the gas cap when a batch is sized.

    Child records count only where the payment token is one of Hedera's own (HTS): at most 50 in a transaction, and
    reads may count too (docs/facts-hedera.md#limits-of-a-transaction).
    """

    max_gas: int
    max_calldata_bytes: int
    max_payees: int
    gas_margin_percent: int = 10
    max_child_records: int = 50
    child_records_per_payee: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GasModel:
    """Estimated gas as a line: gas(n) = base + n x per_payee, from two probes."""

    base_gas: int
    gas_per_payee: int

    @classmethod
    def fit(cls, *, small_count: int, small_gas: int, large_count: int, large_gas: int) -> "GasModel":
        """Returns the line through two probes. With only one payee, all gas counts as per payee."""
        if large_count == small_count:
            return cls(base_gas=0, gas_per_payee=-(-large_gas // large_count))
        # Rounded up: a slope too small would make batches too large.
        per_payee = max(1, -(-(large_gas - small_gas) // (large_count - small_count)))
        return cls(base_gas=max(0, small_gas - per_payee * small_count), gas_per_payee=per_payee)

    def payees_within(self, limits: BatchLimits, *, makes_child_records: bool = False) -> int:
        """Returns the most payees that all caps allow; 0 when not even one fits."""
        usable_gas = limits.max_gas * (100 - limits.gas_margin_percent) // 100
        by_gas = (usable_gas - self.base_gas) // self.gas_per_payee
        by_bytes = (limits.max_calldata_bytes - _CALLDATA_BASE_BYTES) // _CALLDATA_BYTES_PER_PAYEE
        most = max(0, min(by_gas, by_bytes, limits.max_payees))
        return (
            min(most, limits.max_child_records // limits.child_records_per_payee) if makes_child_records else most
        )


def fits(estimated_gas: int, limits: BatchLimits) -> bool:
    """Returns True if an estimate leaves the margin free below the gas cap."""
    return estimated_gas * (100 + limits.gas_margin_percent) // 100 <= limits.max_gas


def gas_limit(*, estimated_gas: int, max_gas: int) -> int:
    """Returns the gas limit to sign: the estimate and a tenth, capped. Hedera refunds only a part of unused gas.

    Raises ValueError when the estimate alone is above the cap: such a transaction would run out of gas.
    """
    if estimated_gas > max_gas:
        raise ValueError(f"the call needs {estimated_gas} gas, the cap is {max_gas}")
    return min(max_gas, estimated_gas + estimated_gas // 10)
