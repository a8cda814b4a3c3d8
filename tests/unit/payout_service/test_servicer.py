"""PayoutService: what each call reads out of its request, whom it asks, and what it shows."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from masspayout.payout.v1 import payout_service_pb2 as pb
from masspayout.payout.v1 import payout_service_pb2_grpc as pb_grpc

from libs.chain.quantities import BlockNumber, Nonce, Wei
from libs.errors import AppError, Reason
from libs.grpc_kit.accounts import checksummed
from libs.grpc_kit.context import Context
from payout_service.api.servicer import PayoutServicer
from payout_service.application.life.advance_payout import advance_one_payout
from payout_service.application.ports.reads import AttemptView, BatchView, PaymentView
from payout_service.domain.discrepancy import Discrepancy
from payout_service.domain.payments import BatchState
from payout_service.domain.payout import Payout, PayoutState
from payout_service.domain.sweep import Sweep
from payout_service.infrastructure.sql.reads import SqlPayoutReads
from tests.support.payout.memory_chain import CHAIN_ID, CONTRACT, PAYMENT_TOKEN, SIGNER, TOKEN, TREASURER, holder
from tests.support.payout.memory_database import START
from tests.support.payout.stage import ASSET_ID, Stage

CONTEXT = cast(Context, None)
ASSET = f"assets/{ASSET_ID}"
TOTAL = 10_000


class MemoryQueries(SqlPayoutReads):
    """The reads, over the memory database."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def _all(self, table: str) -> list[tuple[int, object]]:
        """Rows with their positions, oldest first."""
        rows, position = self._stage.database.rows(table), self._stage.database.rows("position")
        return sorted(((position[table, each], row) for each, row in rows.items()), key=lambda pair: pair[0])

    async def payout(self, payout_id: UUID, field: str) -> Payout:
        if payout_id not in self._stage.database.rows("payout"):
            raise AppError(Reason.PAYOUT_NOT_FOUND, "there is none", field=field)
        return self._stage.payout(payout_id)

    async def payouts(self, asset_id: UUID | None, after: int, limit: int) -> list[tuple[int, Payout]]:
        rows = [(at, cast(Payout, row)) for at, row in self._all("payout") if at > after]
        return [(at, row) for at, row in rows if asset_id in (None, row.asset_id)][:limit]

    async def batches(self, payout_id: UUID, after: int, limit: int) -> list[BatchView]:
        attempt = AttemptView("0x" + "34" * 32, Wei(7), is_no_op=True, create_time=START, last_broadcast_time=None)
        return [
            BatchView(
                number=batch.number,
                state=batch.settled_state or BatchState.IN_FLIGHT,
                holder_count=batch.holder_count,
                amount_base_units=batch.amount_base_units,
                transaction_hash="",
                nonce=Nonce(0),
                gas_limit=1,
                gas_used=0,
                block_number=BlockNumber(0),
                signer=SIGNER.value,
                problem="FEE_CAP_REACHED: dear",
                attempts=(attempt,),
                create_time=START,
                update_time=START,
            )
            for batch in self._stage.database.batches(payout_id)
            if batch.number > after
        ][:limit]

    async def payments(self, payout_id: UUID, after: int, limit: int) -> Sequence[PaymentView]:
        return [
            PaymentView(
                ordinal=row.planned.ordinal,
                holder=row.planned.holder,
                balance=row.planned.balance,
                amount_base_units=row.planned.amount_base_units,
                state=row.state,
                reason=row.reason,
                detail=row.detail,
                tries=row.tries,
                retry_time=row.retry_time,
                batch_number=row.batch_number,
                transaction_hash=row.transaction_hash,
                update_time=row.update_time,
                withheld_base_units=row.planned.withheld_base_units,
                excluded_base_units=row.planned.excluded_base_units,
                withholding_basis_points=row.planned.withholding_basis_points,
                round_number=row.planned.round_number,
            )
            for row in self._stage.payments(payout_id)
            if row.planned.ordinal >= after
        ][:limit]

    async def export_payments(
        self, payout_id: UUID, after: int, last: int
    ) -> AsyncIterator[Sequence[PaymentView]]:
        while page := await self.payments(payout_id, after, min(last - after, 3)):
            yield page
            after = page[-1].ordinal + 1

    async def sweep(self, sweep_id: UUID, field: str) -> Sweep:
        found: Sweep = self._stage.database.rows("sweep")[sweep_id]
        return found

    async def sweeps(self, asset_id: UUID | None, after: int, limit: int) -> list[tuple[int, Sweep]]:
        rows = [(at, cast(Sweep, row)) for at, row in self._all("sweep") if at > after]
        return [(at, row) for at, row in rows if asset_id in (None, row.asset_id)][:limit]

    async def discrepancies(
        self, payout_id: UUID | None, *, include_resolved: bool, after: int, limit: int
    ) -> list[tuple[int, Discrepancy]]:
        rows = [(at, cast(Discrepancy, row)) for at, row in self._all("discrepancy") if at > after]
        return [
            (at, row)
            for at, row in rows
            if payout_id in (None, row.payout_id) and (include_resolved or row.resolve_time is None)
        ][:limit]


class SilentAlarms:
    """Nobody listens."""

    def discrepancy_found(self, discrepancy: Discrepancy) -> None: ...

    def discrepancies_open(self, count: int) -> None: ...


class Service:
    """The servicer over a stage."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.call = PayoutServicer(self.stage.engine, MemoryQueries(self.stage), SilentAlarms())

    async def completed(self) -> UUID:
        self.stage.chain.deposit(12_000)
        payout_id = await self.stage.request(TOTAL)
        assert (await self.stage.run(payout_id)).state is PayoutState.COMPLETED
        return payout_id

    async def with_a_payment_that_waits(self) -> UUID:
        """The first holder's."""
        self.stage.chain.blocked_payees = {holder(0)}
        self.stage.chain.deposit(12_000)
        payout_id = await self.stage.request(TOTAL)
        for _ in range(60):
            await self.stage.rounds(1)
            if self.stage.payout(payout_id).progress.waiting_count:
                return payout_id
        raise AssertionError("no payment waits")


@pytest.fixture
def service() -> Service:
    return Service()


def refused(error: pytest.ExceptionInfo[AppError]) -> tuple[Reason, str | None]:
    return error.value.reason, error.value.field


def test_every_call_of_the_proto_is_served() -> None:
    served = vars(PayoutServicer)
    methods = [each.name for each in pb.DESCRIPTOR.services_by_name["PayoutService"].methods]
    assert [name for name in methods if name not in served] == []
    assert issubclass(PayoutServicer, pb_grpc.PayoutServiceServicer)


# ------------------------------------------------------------------------------------------------ previews


async def test_a_preview_takes_a_total_or_a_percentage(service: Service) -> None:
    await service.stage.add_asset()
    service.stage.chain.deposit(8_000)
    total = await service.call.PreviewPayout(
        pb.PreviewPayoutRequest(asset=ASSET, terms={"total_amount": {"base_units": "10000"}}), CONTEXT
    )
    assert (total.total_base_units, total.shortfall_base_units) == ("10000", "2000")
    assert len(total.largest_payments) == 10
    half = await service.call.PreviewPayout(
        pb.PreviewPayoutRequest(asset=ASSET, terms={"percentage": "12.5"}, skip_amounts=True), CONTEXT
    )
    assert (half.total_base_units, half.shortfall_base_units, half.payable_base_units) == ("1000", "0", "0")


@pytest.mark.parametrize(
    ("terms", "reason", "field"),
    [
        ({}, Reason.REQUIRED_FIELD_MISSING, "terms"),
        ({"total_amount": {}}, Reason.REQUIRED_FIELD_MISSING, "terms.total_amount"),
        ({"total_amount": {"base_units": "0"}}, Reason.AMOUNT_NOT_POSITIVE, "terms.total_amount.base_units"),
        ({"total_amount": {"base_units": "1.5"}}, Reason.INVALID_AMOUNT, "terms.total_amount.base_units"),
        (
            {"total_amount": {"decimal_amount": "1"}},
            Reason.REQUIRED_FIELD_MISSING,
            "terms.total_amount.base_units",
        ),
        ({"percentage": ""}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "0"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
        ({"percentage": "100.01"}, Reason.INVALID_PERCENTAGE, "terms.percentage"),
    ],
)
async def test_a_preview_is_refused(service: Service, terms: dict[str, Any], reason: Reason, field: str) -> None:
    request = pb.PreviewPayoutRequest(asset=ASSET, terms=terms)
    with pytest.raises(AppError) as error:
        await service.call.PreviewPayout(request, CONTEXT)
    assert refused(error) == (reason, field)


async def test_readiness_is_told(service: Service) -> None:
    answer = await service.call.CheckReadiness(
        pb.CheckReadinessRequest(
            token=checksummed(TOKEN), payment_token=str(PAYMENT_TOKEN), lifecycle_contract=str(CONTRACT)
        ),
        CONTEXT,
    )
    assert all(condition.satisfied for condition in answer.conditions)


# ------------------------------------------------------------------------------------------------ reads


async def test_payouts_batches_and_payments_are_listed_page_by_page(service: Service) -> None:
    payout_id = await service.completed()
    other = await service.stage.request(1_000)
    name = f"payouts/{payout_id}"
    payout = await service.call.GetPayout(pb.GetPayoutRequest(name=name), CONTEXT)
    assert (payout.name, payout.state, payout.progress.paid_count) == (name, pb.Payout.STATE_COMPLETED, 10)
    first = await service.call.ListPayouts(pb.ListPayoutsRequest(asset=ASSET, page_size=1), CONTEXT)
    rest = await service.call.ListPayouts(
        pb.ListPayoutsRequest(asset=ASSET, page_token=first.next_page_token), CONTEXT
    )
    assert [each.name for each in [*first.payouts, *rest.payouts]] == [name, f"payouts/{other}"]
    assert rest.next_page_token == ""
    batches = await service.call.ListBatches(pb.ListBatchesRequest(parent=name), CONTEXT)
    assert [batch.name for batch in batches.batches] == [f"{name}/batches/{number}" for number in (1, 2, 3)]
    assert batches.batches[0].attempts[0].no_op
    assert not batches.batches[0].attempts[0].HasField("last_broadcast_time")
    assert (batches.batches[0].signer, batches.batches[0].problem) == (
        checksummed(SIGNER),
        "FEE_CAP_REACHED: dear",
    )
    token, payees = "", []
    while True:
        page = await service.call.ListPayments(
            pb.ListPaymentsRequest(parent=name, page_size=4, page_token=token), CONTEXT
        )
        payees += [payment.holder.evm_address for payment in page.payments]
        token = page.next_page_token
        if not token:
            break
    assert payees == [checksummed(holder(number)) for number in range(10)]


async def test_a_payment_that_waits_shows_why_and_until_when(service: Service) -> None:
    payout_id = await service.with_a_payment_that_waits()
    answer = await service.call.ListPayments(
        pb.ListPaymentsRequest(parent=f"payouts/{payout_id}", page_size=1), CONTEXT
    )
    (payment,) = answer.payments
    assert (payment.state, payment.reason) == (pb.Payment.STATE_WAITING, "TRANSFER_REFUSED")
    assert (payment.detail[:7], payment.tries) == ("Account", 1)
    assert payment.HasField("retry_time")


async def test_payments_are_exported_from_any_row(service: Service) -> None:
    payout_id = await service.completed()
    parent = f"payouts/{payout_id}"

    async def export(after_row: int) -> list[pb.ExportPaymentsResponse]:
        request = pb.ExportPaymentsRequest(parent=parent, after_row=after_row)
        return [each async for each in service.call.ExportPayments(request, CONTEXT)]

    whole = await export(0)
    assert [piece.last_row for piece in whole] == [3, 6, 9, 10]
    content = b"".join(piece.csv for piece in whole)
    assert content.count(b"\r\n") == 11
    assert content.startswith(b"row,round,holder,")
    again = whole[0].csv + b"".join(piece.csv for piece in await export(3))
    assert again == content
    assert await export(10) == []
    for row in (-1, 11):
        with pytest.raises(AppError) as error:
            await export(row)
        assert refused(error) == (Reason.INVALID_ROW, "after_row")


async def test_rows_behind_the_frozen_plan_are_not_exported(service: Service) -> None:
    """Those of a redemption's round that is being planned."""
    payout_id = await service.completed()
    payout = service.stage.database.rows("payout")[payout_id]
    payout.plan = replace(payout.plan, holder_count=7)
    request = pb.ExportPaymentsRequest(parent=f"payouts/{payout_id}")
    assert [each.last_row async for each in service.call.ExportPayments(request, CONTEXT)] == [3, 6, 7]


async def test_a_plan_that_is_not_frozen_is_not_exported(service: Service) -> None:
    payout_id = await service.stage.request(TOTAL)
    await service.stage.run_to(payout_id, PayoutState.PLANNING)
    assert await advance_one_payout(service.stage.engine)
    assert 0 < len(service.stage.payments(payout_id)) < 10
    request = pb.ExportPaymentsRequest(parent=f"payouts/{payout_id}")
    (piece,) = [each async for each in service.call.ExportPayments(request, CONTEXT)]
    assert (piece.csv.count(b"\r\n"), piece.last_row) == (1, 0)
    request = pb.ExportPaymentsRequest(parent=f"payouts/{uuid4()}")
    with pytest.raises(AppError) as error:
        _ = [each async for each in service.call.ExportPayments(request, CONTEXT)]
    assert refused(error) == (Reason.PAYOUT_NOT_FOUND, "parent")


# ------------------------------------------------------------------------------------------------ control


async def test_a_payout_is_paused_resumed_and_cancelled(service: Service) -> None:
    payout_id = await service.stage.request(TOTAL)
    name = f"payouts/{payout_id}"
    request_id = str(uuid4())
    paused = await service.call.PausePayout(pb.PausePayoutRequest(request_id=request_id, name=name), CONTEXT)
    assert (paused.state, paused.paused_from) == (pb.Payout.STATE_PAUSED, pb.Payout.STATE_REQUESTED)
    resumed = await service.call.ResumePayout(pb.ResumePayoutRequest(request_id=str(uuid4()), name=name), CONTEXT)
    assert resumed.state == pb.Payout.STATE_REQUESTED
    cancelled = await service.call.CancelPayout(
        pb.CancelPayoutRequest(request_id=str(uuid4()), name=name), CONTEXT
    )
    assert cancelled.state == pb.Payout.STATE_CANCELLING
    # The id of another method's call.
    with pytest.raises(AppError) as error:
        await service.call.ResumePayout(pb.ResumePayoutRequest(request_id=request_id, name=name), CONTEXT)
    assert refused(error) == (Reason.REQUEST_ID_REUSED, "request_id")


async def test_payments_are_retried_by_their_addresses(service: Service) -> None:
    payout_id = await service.with_a_payment_that_waits()
    name, address = f"payouts/{payout_id}", checksummed(holder(0))

    async def retry(holders: list[str]) -> pb.Payout:
        request = pb.RetryPaymentsRequest(request_id=str(uuid4()), name=name, holders=holders)
        return await service.call.RetryPayments(request, CONTEXT)

    for holders, reason, field in [
        ([checksummed(holder(1))], Reason.PAYMENT_NOT_RETRIABLE, "holders[0]"),
        ([address, "0x12"], Reason.INVALID_ADDRESS, "holders[1]"),
        ([address] * 1001, Reason.TOO_MANY_HOLDERS, "holders"),
    ]:
        with pytest.raises(AppError) as error:
            await retry(holders)
        assert refused(error) == (reason, field)
    assert (await retry([address, address.lower()])).progress.waiting_count == 0


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({}, Reason.CALLERS_NOT_AUTHENTICATED, "name"),
        ({"request_id": ""}, Reason.INVALID_REQUEST_ID, "request_id"),
        ({"name": ""}, Reason.REQUIRED_FIELD_MISSING, "name"),
        ({"name": f"payouts/{UUID(int=1)}"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"name": f"payouts/{UUID(int=1)}/payments/0x12"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"name": f"payouts/1/payments/{TREASURER}"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"name": f"payouts/{UUID(int=1)}/payments/{TREASURER}-2"}, Reason.CALLERS_NOT_AUTHENTICATED, "name"),
        ({"name": f"payouts/{UUID(int=1)}/payments/{TREASURER}-1"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"name": f"payouts/{UUID(int=1)}/payments/{TREASURER}-"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"name": f"payouts/{UUID(int=1)}/payments/{TREASURER}-02"}, Reason.INVALID_RESOURCE_NAME, "name"),
        ({"evidence": ""}, Reason.REQUIRED_FIELD_MISSING, "evidence"),
    ],
)
async def test_nothing_is_settled_by_hand(
    service: Service, changes: dict[str, str], reason: Reason, field: str
) -> None:
    request = pb.SettlePaymentRequest(
        request_id=str(uuid4()), name=f"payouts/{UUID(int=1)}/payments/{TREASURER}", paid=True, evidence="0x12"
    )
    for name, value in changes.items():
        setattr(request, name, value)
    with pytest.raises(AppError) as error:
        await service.call.SettlePayment(request, CONTEXT)
    assert refused(error) == (reason, field)


# ------------------------------------------------------------------------------------------------ money


async def test_the_treasury_tells_what_is_promised_to_whom(service: Service) -> None:
    service.stage.chain.deposit(12_000)
    payout_id = await service.stage.request(TOTAL)
    await service.stage.run_to(payout_id, PayoutState.EXECUTING)
    treasury = await service.call.GetTreasury(pb.GetTreasuryRequest(name=f"{ASSET}/treasury"), CONTEXT)
    assert treasury.name == f"{ASSET}/treasury"
    assert treasury.lifecycle_contract.evm_address == checksummed(CONTRACT)
    plan = service.stage.payout(payout_id).plan
    assert plan is not None
    promised = plan.payable_base_units
    figures = (treasury.balance, treasury.committed, treasury.available)
    assert [each.base_units for each in figures] == ["12000", str(promised), str(12_000 - promised)]
    (commitment,) = treasury.commitments
    assert (commitment.owner, commitment.amount.base_units) == (f"payouts/{payout_id}", str(promised))


@pytest.mark.parametrize("name", [ASSET, f"{ASSET}/money", "assets/1/treasury", "treasury"])
async def test_a_treasury_has_one_name(service: Service, name: str) -> None:
    with pytest.raises(AppError) as error:
        await service.call.GetTreasury(pb.GetTreasuryRequest(name=name), CONTEXT)
    assert refused(error) == (Reason.INVALID_RESOURCE_NAME, "name")


async def test_leftovers_are_swept_and_shown(service: Service) -> None:
    await service.stage.add_asset()
    service.stage.chain.deposit(700)
    part = await service.call.SweepLeftover(
        pb.SweepLeftoverRequest(
            request_id=str(uuid4()), asset=ASSET, to=checksummed(TREASURER), amount_base_units="200"
        ),
        CONTEXT,
    )
    assert (part.state, part.amount.base_units, part.asset) == (pb.Sweep.STATE_SENDING, "200", ASSET)
    rest = await service.call.SweepLeftover(
        pb.SweepLeftoverRequest(request_id=str(uuid4()), asset=ASSET, to=str(TREASURER)), CONTEXT
    )
    assert (rest.amount.base_units, rest.to.evm_address) == ("500", checksummed(TREASURER))
    await service.stage.rounds(6)
    got = await service.call.GetSweep(pb.GetSweepRequest(name=part.name), CONTEXT)
    assert got.state == pb.Sweep.STATE_SUCCEEDED
    first = await service.call.ListSweeps(pb.ListSweepsRequest(asset=ASSET, page_size=1), CONTEXT)
    second = await service.call.ListSweeps(
        pb.ListSweepsRequest(asset=ASSET, page_token=first.next_page_token), CONTEXT
    )
    assert [each.name for each in [*first.sweeps, *second.sweeps]] == [part.name, rest.name]


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"request_id": "1"}, Reason.INVALID_REQUEST_ID, "request_id"),
        ({"to": ""}, Reason.REQUIRED_FIELD_MISSING, "to"),
        ({"amount_base_units": "0"}, Reason.AMOUNT_NOT_POSITIVE, "amount_base_units"),
        ({"amount_base_units": "701"}, Reason.INSUFFICIENT_FUNDS, "amount_base_units"),
    ],
)
async def test_a_sweep_is_refused(service: Service, changes: dict[str, str], reason: Reason, field: str) -> None:
    await service.stage.add_asset()
    service.stage.chain.deposit(700)
    request = {"request_id": str(uuid4()), "asset": ASSET, "to": str(TREASURER)}
    with pytest.raises(AppError) as error:
        await service.call.SweepLeftover(pb.SweepLeftoverRequest(**{**request, **changes}), CONTEXT)
    assert refused(error) == (reason, field)


# ------------------------------------------------------------------------------------------------ reconciliation


async def test_differences_are_found_and_listed(service: Service) -> None:
    payout_id = await service.completed()
    name = f"payouts/{payout_id}"
    sound = await service.call.ReconcilePayout(pb.ReconcilePayoutRequest(name=name), CONTEXT)
    assert (list(sound.discrepancies), sound.payment_count) == ([], 10)
    assert sound.block_number > 0
    for amount in (-100, -200):
        service.stage.chain.move_money(amount)
        service.stage.chain.mine(3)
    found = await service.call.ReconcilePayout(pb.ReconcilePayoutRequest(name=name), CONTEXT)
    assert [each.kind for each in found.discrepancies] == ["OUTSIDE_TRANSFER"] * 2
    first = await service.call.ListDiscrepancies(pb.ListDiscrepanciesRequest(page_size=1), CONTEXT)
    rest = await service.call.ListDiscrepancies(
        pb.ListDiscrepanciesRequest(page_token=first.next_page_token), CONTEXT
    )
    assert [*first.discrepancies, *rest.discrepancies] == list(found.discrepancies)
    with pytest.raises(AppError) as error:
        await service.call.ListDiscrepancies(
            pb.ListDiscrepanciesRequest(page_token=first.next_page_token, include_resolved=True), CONTEXT
        )
    assert refused(error) == (Reason.INVALID_PAGE_TOKEN, "page_token")
    of_payout = await service.call.ListDiscrepancies(pb.ListDiscrepanciesRequest(payout=name), CONTEXT)
    assert list(of_payout.discrepancies) == []


async def test_another_chain_is_told_as_a_chain_that_cannot_be_asked(service: Service) -> None:
    payout_id = await service.completed()
    service.stage.chain.genesis = "0x" + "77" * 32
    calls = [
        service.call.ReconcilePayout(pb.ReconcilePayoutRequest(name=f"payouts/{payout_id}"), CONTEXT),
        service.call.SweepLeftover(
            pb.SweepLeftoverRequest(request_id=str(uuid4()), asset=ASSET, to=str(TREASURER)), CONTEXT
        ),
    ]
    for call in calls:
        with pytest.raises(AppError) as error:
            await call
        assert error.value.reason is Reason.CHAIN_UNAVAILABLE


# ------------------------------------------------------------------------------------------------ signers


async def test_signers_are_listed_and_reconciled(service: Service) -> None:
    await service.completed()
    service.stage.chain.use_nonce_elsewhere()
    service.stage.chain.mine(3)
    await service.stage.request(1_000)
    await service.stage.rounds(8)
    (halted,) = (await service.call.ListSigners(pb.ListSignersRequest(), CONTEXT)).signers
    assert halted.name == f"signers/{checksummed(SIGNER)}"
    assert (halted.chain_id, bool(halted.halted_because)) == (CHAIN_ID, True)

    async def reconcile(name: str, hashes: list[str]) -> pb.ReconcileSignerResponse:
        request = pb.ReconcileSignerRequest(
            request_id=str(uuid4()), name=name, acknowledged_transaction_hashes=hashes
        )
        return await service.call.ReconcileSigner(request, CONTEXT)

    foreign = next(
        each.hash for block in service.stage.chain.blocks for each in block.transactions if each.is_foreign
    )
    for name, reason in [
        ("", Reason.REQUIRED_FIELD_MISSING),
        (f"payouts/{SIGNER}", Reason.INVALID_RESOURCE_NAME),
        ("signers/0x12", Reason.INVALID_ADDRESS),
        (f"signers/{TREASURER}", Reason.SIGNER_NOT_FOUND),
    ]:
        with pytest.raises(AppError) as error:
            await reconcile(name, [])
        assert error.value.reason is reason
    answer = await reconcile(halted.name, [foreign.upper().replace("0X", "0x")])
    assert answer.signer.halted_because == ""
    assert [each.transaction_hash for each in answer.transactions] == [foreign]
    assert answer.transactions[0].payout == ""
