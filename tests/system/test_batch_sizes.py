"""Batches are as large as the gas cap allows on the chain at hand, whatever a payee of their kind costs."""

from __future__ import annotations

from rich.console import Console

from deploy.demo.batch_sizes import MAX_BATCH_GAS, measure, table_of
from libs.protogen.typed.masspayout.payout.v1 import BatchState
from tests.system.harness import Harness

# Between the cheapest kind of payout and the dearest (docs/facts-contracts.md#gas).
_LEAST_RATIO = 5


async def test_batches_of_cheap_payees_are_larger_and_none_runs_out_of_gas(faulty: Harness) -> None:
    await faulty.run_payout_service({"MAX_BATCH_GAS": str(MAX_BATCH_GAS)})

    sizes = await measure(faulty.devnet, faulty.client, faulty.signer)

    Console(width=120).print(table_of(sizes))
    for each in sizes:
        assert set(each.states) == {BatchState.SETTLED}
        assert all(
            used <= limit <= MAX_BATCH_GAS for used, limit in zip(each.gas_used, each.gas_limits, strict=True)
        )
        # More payees than fit: the largest batch is full, and uses most of the cap.
        assert len(each.holders) >= 2
        assert max(each.gas_used) > MAX_BATCH_GAS // 2
    most = [each.most_holders for each in sizes]
    assert max(most) >= _LEAST_RATIO * min(most)
