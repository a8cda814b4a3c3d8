"""Events of payout_service: doubled, late, skipped, contradicting."""

import asyncio
from typing import Any

from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import events_pb2
from masspayout.operations.v1 import operations_service_pb2, operations_service_pb2_grpc
from masspayout.type.v1 import progress_pb2

from tests.integration.distribution_service.support import (
    PAYMENT_TOKEN,
    World,
    eventually,
    payout_event,
    resource_uuid,
    token_amount,
)


async def _events(world: World, distribution: pb.Distribution, count: int) -> list[tuple[str, bytes]]:
    async def probe() -> list[tuple[str, bytes]] | None:
        found = await world.bus.events_of("distribution", resource_uuid(distribution.name))
        return found if len(found) >= count else None

    return await eventually(probe, f"{count} events of {distribution.name}")


async def test_a_payout_is_followed_to_its_end(world: World) -> None:
    created = await world.create()
    await world.tell_payout(created, 1, "REQUESTED", waiting_for="CONTRACT_PAUSED: unpause it")
    planning = await world.wait_for(created.name, "PLANNING")
    assert (planning.waiting_for, planning.etag) == ("CONTRACT_PAUSED: unpause it", '"2"')
    await world.tell_payout(created, 4, "EXECUTING")
    executing = await world.wait_for(created.name, "EXECUTING")
    assert executing.progress == progress_pb2.PayoutProgress(
        holder_count=4,
        paid_count=3,
        failed_count=0,
        zero_due_count=0,
        paid_amount=token_amount(750_000),
        cancelled_amount=token_amount(0),
        excluded_amount=token_amount(0),
        withheld_amount=token_amount(0),
        deferred_amount=token_amount(0),
        batch_count=2,
        final_batch_count=1,
    )
    assert executing.waiting_for == ""
    await world.tell_payout(created, 9, "COMPLETED")
    completed = await world.wait_for(created.name, "COMPLETED")

    (released, ended) = await _events(world, created, 2)
    assert (released[0], ended[0]) == ("distribution_released", "distribution_completed")
    event = events_pb2.DistributionCompleted.FromString(ended[1])
    assert (event.version, event.distribution) == (4, completed)


async def test_doubled_late_and_skipped_events_end_in_the_newest_state(world: World) -> None:
    created = await world.create()
    await world.tell_payout(created, 5, "EXECUTING")
    await world.wait_for(created.name, "EXECUTING")
    # Late: would lead back, and its promise (nothing was paid) would be false by now.
    late = [await world.tell_payout(created, 2, "PLANNING"), await world.tell_payout(created, 3, "FAILED")]
    final = await world.tell_payout(created, 8, "COMPLETED")
    await world.tell_payout(created, 8, "COMPLETED", event_id=final)
    last = await world.tell_payout(created, 8, "COMPLETED")
    for event_id in (*late, final, last):
        await world.wait_processed(event_id)
    completed = await world.wait_for(created.name, "COMPLETED")

    assert completed.etag == '"3"'
    names = [name for name, _ in await _events(world, created, 2)]
    assert names == ["distribution_released", "distribution_completed"]


async def test_an_incomplete_payout_may_go_on_and_complete(world: World) -> None:
    created = await world.create()
    for version, state in enumerate(("INCOMPLETE", "EXECUTING", "INCOMPLETE", "COMPLETED"), start=1):
        await world.tell_payout(created, version, state)
        await world.wait_for(created.name, state)

    names = [name for name, _ in await _events(world, created, 4)]
    assert names == [
        "distribution_released",
        "distribution_incomplete",
        "distribution_incomplete",
        "distribution_completed",
    ]


async def test_a_paused_payout_goes_on_and_is_cancelled(world: World) -> None:
    created = await world.create()
    for version, state in enumerate(("EXECUTING", "PAUSED", "EXECUTING", "PAUSED", "CANCELLING"), start=1):
        await world.tell_payout(created, version, state, waiting_count=1)
        followed = await world.wait_for(created.name, state)
        assert (followed.etag, followed.progress.waiting_count) == (f'"{version + 1}"', 1)
    await world.tell_payout(created, 6, "CANCELLED")
    cancelled = await world.wait_for(created.name, "CANCELLED")
    progress = cancelled.progress
    assert (progress.waiting_count, progress.cancelled_count) == (0, 1)
    assert (progress.paid_amount, progress.cancelled_amount) == (token_amount(750_000), token_amount(250_000))

    (_, ended) = await _events(world, created, 2)
    assert ended[0] == "distribution_cancelled"
    event = events_pb2.DistributionCancelled.FromString(ended[1])
    assert (event.version, event.distribution) == (7, cancelled)


async def test_a_deferred_payout_goes_on_when_payments_come_due(world: World) -> None:
    created = await world.create()
    await world.tell_payout(created, 1, "EXECUTING")
    await world.wait_for(created.name, "EXECUTING")
    await world.tell_payout(created, 2, "DEFERRED")
    deferred = await world.wait_for(created.name, "DEFERRED")
    progress = deferred.progress
    assert (progress.deferred_count, progress.deferred_amount) == (1, token_amount(250_000))
    await world.tell_payout(created, 3, "EXECUTING")
    await world.wait_for(created.name, "EXECUTING")
    await world.tell_payout(created, 4, "COMPLETED")
    await world.wait_for(created.name, "COMPLETED")

    events = await _events(world, created, 3)
    names = [name for name, _ in events]
    assert names == ["distribution_released", "distribution_deferred", "distribution_completed"]
    event = events_pb2.DistributionDeferred.FromString(events[1][1])
    assert (event.version, event.distribution) == (3, deferred)


async def test_a_redemption_is_followed_round_by_round(world: World) -> None:
    asset_id = await world.import_asset()
    created = await world.stub.CreateDistribution(world.create_request(asset_id, terms={"redemption": {}}))
    steps = [
        ("PLANNING", 0),
        ("WAITING_FOR_FUNDS", 900_000),
        ("EXECUTING", 880_000),
        ("PLANNING", 850_000),
        ("WAITING_FOR_FUNDS", 990_000),
        ("EXECUTING", 970_000),
        ("COMPLETED", 960_000),
    ]
    for version, (state, total) in enumerate(steps, start=1):
        paid: dict[str, Any] = {} if total else {"paid_count": 0, "paid_amount": None}
        await world.tell_payout(created, version, state, total_amount=token_amount(total), **paid)
        assert (await world.wait_for(created.name, state)).total_amount == token_amount(total)
    completed = await world.wait_for(created.name, "COMPLETED")
    assert (completed.terms.HasField("redemption"), completed.etag) == (True, '"8"')


async def test_the_total_of_a_percentage_is_the_one_that_the_payout_has_fixed(world: World) -> None:
    asset_id = await world.import_asset()
    request = world.create_request(asset_id, terms={"percentage": "100"})
    created = await world.stub.CreateDistribution(request)
    unpaid: dict[str, Any] = {"paid_count": 0, "paid_amount": None}
    await world.tell_payout(created, 1, "REQUESTED", **unpaid)
    assert (await world.wait_for(created.name, "PLANNING")).total_amount == token_amount(0)
    await world.tell_payout(created, 2, "EXECUTING", total_amount=token_amount(1_000_000), **unpaid)
    assert (await world.wait_for(created.name, "EXECUTING")).total_amount == token_amount(1_000_000)
    await world.tell_payout(created, 3, "COMPLETED", total_amount=token_amount(1_000_000))
    completed = await world.wait_for(created.name, "COMPLETED")
    assert (completed.terms.percentage, completed.total_amount) == ("100", token_amount(1_000_000))


async def test_a_failed_payout(world: World) -> None:
    created = await world.create()
    await world.tell_payout(created, 2, "FAILED", failure_reason="LIFECYCLE_CONTRACT_MISSING: gone")
    failed = await world.wait_for(created.name, "FAILED")
    assert failed.failure_reason == "LIFECYCLE_CONTRACT_MISSING: gone"
    assert [name for name, _ in await _events(world, created, 2)][1] == "distribution_failed"


async def test_contradictions_become_dead_letters_and_change_nothing(world: World) -> None:
    created = await world.create()
    await world.tell_payout(created, 5, "COMPLETED")
    completed = await world.wait_for(created.name, "COMPLETED")
    contradicting = [
        await world.tell_payout(created, 6, "EXECUTING"),
        await world.tell_payout(created, 7, "COMPLETED", paid_count=2, zero_due_count=2),
    ]
    other = await world.create()
    contradicting.append(await world.tell_payout(other, 1, "EXECUTING", total_amount=token_amount(1)))
    contradicting.append(await world.tell_payout(other, 2, "COMPLETED", paid_count=2))
    share = await world.stub.CreateDistribution(
        world.create_request(await world.import_asset(), terms={"percentage": "50"})
    )
    await world.tell_payout(share, 1, "EXECUTING", total_amount=token_amount(800_000))
    fixed = await world.wait_for(share.name, "EXECUTING")
    contradicting.append(await world.tell_payout(share, 2, "PAUSED", total_amount=token_amount(800_001)))
    contradicting.append(
        await world.tell_payout(share, 3, "CANCELLED", total_amount=token_amount(800_000), cancelled_count=0)
    )
    with_rules = {
        "total_amount": other.terms.total_amount,
        "rules": {"excluded_holders": [PAYMENT_TOKEN]},
    }
    contradicting.append(await world.tell_payout(other, 3, "EXECUTING", terms={"dividend_id": 7}))
    contradicting.append(await world.tell_payout(other, 4, "EXECUTING", terms=with_rules))
    unknown = pb.Distribution()
    unknown.CopyFrom(created)
    unknown.name = created.asset.replace("assets", "distributions")
    contradicting.append(await world.tell_payout(unknown, 1, "EXECUTING"))
    operations = operations_service_pb2_grpc.OperationsServiceStub(world.channel)

    async def dead() -> dict[str, str] | None:
        answer = await operations.ListDeadLetters(operations_service_pb2.ListDeadLettersRequest())
        reasons = {letter.event_id: letter.reason for letter in answer.dead_letters}
        return reasons if {str(item) for item in contradicting} <= set(reasons) else None

    reasons = await eventually(dead, "the contradictions are dead letters")
    assert all("PayoutContradictionError" in reasons[str(item)] for item in contradicting[:-1])
    assert "EventNotReadyError" in reasons[str(contradicting[-1])]
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name)) == completed
    assert (await world.stub.GetDistribution(pb.GetDistributionRequest(name=other.name))).etag == '"1"'
    assert await world.stub.GetDistribution(pb.GetDistributionRequest(name=share.name)) == fixed


async def test_events_of_one_payout_that_arrive_at_once_are_applied_in_turn(world: World) -> None:
    created = await world.create()
    versions = list(range(1, 31))
    await asyncio.gather(
        *(
            world.bus.publish(
                "payout",
                "payout_progressed",
                resource_uuid(created.name),
                version,
                payout_event(created, version, "EXECUTING", paid_count=version, holder_count=40),
            )
            for version in versions
        )
    )

    async def newest() -> pb.Distribution | None:
        found: pb.Distribution = await world.stub.GetDistribution(pb.GetDistributionRequest(name=created.name))
        return found if found.progress.paid_count == max(versions) else None

    await eventually(newest, "the newest version is applied")
