"""A JetStream that lost everything is refilled from the outboxes; what cannot be processed is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from libs.messaging.streams import CONTEXTS, stream_name
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState
from libs.protogen.typed.masspayout.operations.v1 import (
    DeadLetter,
    ListDeadLettersRequest,
    ReplayDeadLettersRequest,
    ReplayOutboxRequest,
)
from libs.protogen.typed.masspayout.payout.v1 import Payout, PayoutFailed, PayoutState
from tests.support.sent_events import event_headers
from tests.system.harness import Harness, eventually

_TOTAL = 5_000_000


async def test_an_emptied_jetstream_is_refilled_and_nobody_is_paid_again(harness: Harness) -> None:
    stage = await harness.stage(4)
    asset = await harness.import_stage(stage)
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    distribution = await harness.create(asset.name, _TOTAL)
    await harness.in_state(distribution.name, DistributionState.COMPLETED)
    async with _connected(harness) as client:
        jetstream = client.jetstream()
        # Of this test's asset, distribution and payout: another test's database may have been set back since.
        ours = {distribution.name.split("/")[1], asset.name.split("/")[1]}
        before = {name: await _event_ids(jetstream, name, ours) for name in CONTEXTS}
        assert all(before[name] for name in ("asset", "distribution", "payout", "chain_sync"))
        for name in CONTEXTS:
            await jetstream.delete_stream(stream_name(name))

        queued = {}
        for name in CONTEXTS:
            answer = await harness.call(
                harness.client.operations[name].replay_outbox, ReplayOutboxRequest(request_id=str(uuid4()))
            )
            queued[name] = answer.queued_count

        async def is_refilled() -> bool:
            try:
                infos = [await jetstream.stream_info(stream_name(name)) for name in CONTEXTS]
            except NotFoundError:
                return False
            return all(info.state.messages >= queued[name] for info, name in zip(infos, CONTEXTS, strict=True))

        await eventually(is_refilled, "all streams are refilled")
        for name in CONTEXTS:
            assert queued[name] >= len(before[name])
            assert await _event_ids(jetstream, name, ours) >= before[name]
    # All events came again; the same distribution was paid once, and a new one is paid as ever.
    assert (await harness.verification(stage, _TOTAL)).differences == ()
    await harness.devnet.mint_payment_token(stage.payment_token, stage.contract, _TOTAL)
    again = await harness.create(asset.name, _TOTAL)
    await harness.in_state(again.name, DistributionState.COMPLETED)


async def test_an_event_that_cannot_be_processed_is_kept_with_its_reason_and_holds_up_nobody(
    harness: Harness,
) -> None:
    distribution_id = uuid4()
    event = PayoutFailed(
        payout_id=str(distribution_id),
        version=7,
        asset_id=str(uuid4()),
        payout=Payout(name=f"payouts/{distribution_id}", state=PayoutState.FAILED, failure_reason="TEST"),
    )
    async with _connected(harness) as client:
        subject = f"masspayout.payout.v1.payout_failed.{distribution_id}"
        await client.jetstream().publish(subject, bytes(event), headers=event_headers(subject, 7))

    found: list[DeadLetter] = []

    async def is_dead() -> bool:
        answer = await harness.call(
            harness.client.operations["distribution"].list_dead_letters, ListDeadLettersRequest()
        )
        found[:] = [letter for letter in answer.dead_letters if str(distribution_id) in letter.subject]
        return bool(found)

    await eventually(is_dead, "the event is a dead letter")
    assert found[0].reason
    assert found[0].delivery_count >= 2

    answer = await harness.call(
        harness.client.operations["distribution"].replay_dead_letters,
        ReplayDeadLettersRequest(request_id=str(uuid4()), stream_sequences=[found[0].stream_sequence]),
    )
    assert (answer.replayed_count, answer.failed_count) == (0, 1)


async def _event_ids(jetstream: JetStreamContext, context: str, aggregates: set[str]) -> set[str]:
    """The ids of these aggregates' events in a context, each once: JetStream may have one twice."""
    count = (await jetstream.stream_info(stream_name(context))).state.messages
    subscription = await jetstream.subscribe(f"masspayout.{context}.>", ordered_consumer=True)
    messages = [await subscription.next_msg(timeout=60) for _ in range(count)]
    await subscription.unsubscribe()
    return {
        (message.headers or {})["ce-id"] for message in messages if message.subject.split(".")[-1] in aggregates
    }


@asynccontextmanager
async def _connected(harness: Harness) -> AsyncIterator[Client]:
    url = harness.stack.endpoints.nats_url
    assert url
    client = await nats.connect(url)
    try:
        yield client
    finally:
        await client.close()
