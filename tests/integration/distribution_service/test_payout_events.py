"""Events of payout_service: doubled, late, skipped, contradicting."""

import asyncio

from masspayout.distribution.v1 import distribution_service_pb2 as pb
from masspayout.distribution.v1 import events_pb2
from masspayout.operations.v1 import operations_service_pb2, operations_service_pb2_grpc

from tests.integration.distribution_service.support import (
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
    await world.tell_payout(created, 1, "REQUESTED", waiting_for="CONTRACT_PAUSED: unpause it", holder_count=0)
    planning = await world.wait_for(created.name, "PLANNING")
    assert (planning.waiting_for, planning.etag) == ("CONTRACT_PAUSED: unpause it", '"2"')
    await world.tell_payout(created, 4, "EXECUTING")
    executing = await world.wait_for(created.name, "EXECUTING")
    assert executing.progress == pb.Progress(
        holder_count=4,
        paid_count=3,
        failed_count=0,
        zero_due_count=0,
        paid_amount=token_amount(750_000),
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
