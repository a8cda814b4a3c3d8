"""The node fails as payout_service sees it: lost replies, refused nonces, no answer. Every holder is paid once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from deploy.demo.payout import terms_of_total
from libs.client.client import progress_of
from libs.errors import Code, Reason
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.payout.v1 import Batch, PreviewPayoutRequest
from tests.support.rpc_proxy import SEND, RpcProxy
from tests.system.harness import ONE_OF_FIVE_AT_A_TIME, Harness, eventually
from tests.system.mining import Ticker, pay_first_batch

_TOTAL = 1_000_000_007
_AWAY_SECONDS = 30.0
_RETRY_AFTER_SECONDS = 2
# Of a Hedera relay, a minute: raised so that the pace of calls is not what is tested.
_NO_LIMIT = "1000000"


async def test_when_no_reply_to_a_send_arrives_nothing_gets_a_second_nonce(
    faulty: Harness, proxy: RpcProxy
) -> None:
    await faulty.run_payout_service({"RPC_URL": proxy.url, "REBROADCAST_SECONDS": "1"})
    proxy.swallow_replies(SEND)
    nonce = await faulty.signer_nonce()

    stage, distribution = await faulty.unfunded(_TOTAL)
    await faulty.deposit(stage, _TOTAL)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)

    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    batches = await faulty.batches(distribution.payout)
    assert len(batches) >= 3
    _assert_one_nonce_each(batches)
    # The snapshot and the batches: what the node took without saying so.
    assert await faulty.signer_nonce() == nonce + 1 + len(batches)

    # A send counts as swallowed once the node has answered, which the last one may still have to.
    async def all_are_swallowed() -> bool:
        return proxy.count(SEND) == proxy.swallowed(SEND)

    await eventually(all_are_swallowed, "all sends are swallowed", proxy.requests)
    assert proxy.swallowed(SEND) >= 1 + len(batches)


@dataclass(frozen=True)
class _Rail:
    settings: dict[str, str]
    # With several transactions under way the ones behind a lost one are refused.
    meets_a_gap: bool


_RAILS = {
    # The lost one is sent again long after the next was refused behind it.
    "evm": _Rail({"RAIL": "evm", "MAX_IN_FLIGHT_TRANSACTIONS": "4", "REBROADCAST_SECONDS": "5"}, meets_a_gap=True),
    "hedera_relay": _Rail(
        {
            "RAIL": "hedera_relay",
            "CONFIRMATIONS": "2",
            "REBROADCAST_SECONDS": "1",
            "RELAY_TIER_1_PER_MINUTE": _NO_LIMIT,
            "RELAY_TIER_2_PER_MINUTE": _NO_LIMIT,
            "RELAY_TIER_3_PER_MINUTE": _NO_LIMIT,
        },
        meets_a_gap=False,
    ),
}


@pytest.mark.parametrize("name", _RAILS)
async def test_a_relay_that_refuses_a_send_and_nonce_gaps_is_served_in_order(
    faulty: Harness, proxy: RpcProxy, name: str
) -> None:
    rail = _RAILS[name]
    await faulty.run_payout_service({"RPC_URL": proxy.url, **rail.settings})
    stage, distribution = await faulty.unfunded(_TOTAL)
    sends_before = proxy.count(SEND)
    proxy.refuse_nonce_gaps()
    proxy.refuse_first_nonce(retry_after_seconds=_RETRY_AFTER_SECONDS)
    await faulty.deposit(stage, _TOTAL)

    gaps: set[str] = set()

    async def is_met() -> bool:
        batches = await faulty.batches(distribution.payout)
        gaps.update(batch.name for batch in batches if batch.problem.startswith("NONCE_GAP: Nonce too high"))
        return bool(gaps) if rail.meets_a_gap else proxy.count(SEND) > sends_before

    # The gap stays until it was seen.
    await eventually(is_met, "a send is refused, and those behind it where there are any", lambda: gaps)
    proxy.accept_first_nonce()

    async def is_paid() -> bool:
        await is_met()
        return bool(progress_of(await faulty.payout(distribution.payout)).final_batch_count)

    await eventually(is_paid, "the first batch is final", lambda: gaps)
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)

    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    _assert_one_nonce_each(await faulty.batches(distribution.payout))
    assert bool(gaps) is rail.meets_a_gap
    refused, again = proxy.requests(SEND)[sends_before:][:2]
    assert again.seconds - refused.seconds >= _RETRY_AFTER_SECONDS


async def test_a_node_that_is_away_for_half_a_minute_is_waited_for_by_name(
    faulty: Harness, proxy: RpcProxy, ticker: Ticker
) -> None:
    await faulty.run_payout_service({"RPC_URL": proxy.url, **ONE_OF_FIVE_AT_A_TIME})
    stage, distribution = await faulty.unfunded(_TOTAL)
    # The chain stands still until the node is away, so that it is away in the midst of the payout.
    await pay_first_batch(faulty, ticker, stage, distribution.payout, _TOTAL)

    loop = asyncio.get_running_loop()
    back_at = loop.time() + _AWAY_SECONDS
    proxy.go_away()
    ticker.resume()
    payout = await faulty.payout_when(
        distribution.payout, lambda payout: payout.waiting_for.startswith("CHAIN_UNAVAILABLE: "), "waits by name"
    )
    preview = PreviewPayoutRequest(asset=payout.asset, terms=terms_of_total(1))
    refusal = await faulty.refusal(
        faulty.client.payouts.preview_payout, preview, unavailable=Reason.CHAIN_UNAVAILABLE
    )
    assert (refusal.reason, refusal.code) == (Reason.CHAIN_UNAVAILABLE, Code.UNAVAILABLE)
    await _until(loop, back_at - _AWAY_SECONDS / 2)
    proxy.go_away(refuse_connections=True)
    asked = proxy.count()
    # What the node took before it went away is in blocks.
    await faulty.nothing_pending()
    paid = await faulty.balances(stage)
    await _until(loop, back_at)

    async def is_asked_again() -> bool:
        return proxy.count() > asked

    await eventually(is_asked_again, "the node is asked again while it is away")
    payout = await faulty.payout(distribution.payout)
    assert payout.waiting_for.startswith("CHAIN_UNAVAILABLE: ")
    # Nothing leaves while the node is away.
    assert await faulty.balances(stage) == paid != stage.due(_TOTAL)

    proxy.come_back()
    await faulty.in_state(distribution.name, DistributionState.COMPLETED)
    await faulty.assert_paid_once(stage, distribution.payout, _TOTAL)
    _assert_one_nonce_each(await faulty.batches(distribution.payout))


def _assert_one_nonce_each(batches: list[Batch]) -> None:
    """Each batch was signed once, and no two have a nonce in common."""
    assert all(len(batch.attempts) == 1 for batch in batches)
    assert len({batch.nonce for batch in batches}) == len(batches)


async def _until(loop: asyncio.AbstractEventLoop, time: float) -> None:
    async def is_over() -> bool:
        return loop.time() >= time

    await eventually(is_over, "time passes")
