"""Checks each payment in the ledger against the chain: a payment is PAID exactly if the chain proves it.

Memory holds one small entry per settled batch, and the evidence of a few; never all payments at once.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from uuid import UUID

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress
from libs.errors import AppError, Reason
from payout_service.application.audit.reconcile_findings import Look
from payout_service.application.engine import Engine
from payout_service.application.paying.recorded_payments import recorded_pages
from payout_service.application.ports.lifecycle_contract import ReceiptEvidence
from payout_service.application.ports.plan_rows import RecordedState
from payout_service.domain.discrepancy import DiscrepancyKind, Finding
from payout_service.domain.lifecycle import LifecycleContract
from payout_service.domain.payments import PaymentState
from payout_service.domain.payout import Payout
from payout_service.domain.transaction import Outcome

_PAGE_BATCHES = 200
# Evidence of so many transactions at hand; payments of one batch stand near each other in the plan.
_MOST_EVIDENCE_KEPT = 64
# Transactions whose payees are looked for one by one in one look.
_MOST_TO_NAME = 100
# A transaction that no node tells of is asked for so often.
_MOST_QUESTIONS = 3
_NO_EVIDENCE = ReceiptEvidence(None, {})
_DISPUTED = DiscrepancyKind.PAYMENT_DISPUTED
_KINDS_OF_A_PAYMENT = (
    DiscrepancyKind.PAYMENT_WITHOUT_EVIDENCE,
    DiscrepancyKind.EVIDENCE_WITHOUT_PAYMENT,
    _DISPUTED,
)


@dataclass(slots=True)
class _Settled:
    """The transaction that settled a batch, and how many payees chain and ledger say that it paid."""

    intent_id: UUID
    outcome: Outcome
    is_looked_at: bool = False
    is_gone: bool = False
    # Set when the chain has it in another block now.
    moved_to: Outcome | None = None
    _: KW_ONLY
    paid_by_evidence: int = 0
    paid_by_ledger: int = 0
    has_findings: bool = False


async def compare_evidence(engine: Engine, payout: Payout, contract: LifecycleContract, look: Look) -> None:
    """Finds PAYMENT_WITHOUT_EVIDENCE, EVIDENCE_WITHOUT_PAYMENT, PAYMENT_DISPUTED, SETTLED_TRANSACTION_GONE.

    A transaction that a reorg put into another block, with the same evidence, is no difference: the journal is
    told its new place. Raises AppError CHAIN_UNAVAILABLE, also when the node lags behind what is recorded.
    """
    if contract.address is None:
        raise RuntimeError(f"payout {payout.payout_id} has a plan and no lifecycle contract")
    await _Comparison(engine, payout, contract, contract.address, look).run()


class _Comparison:
    """One pass over the payments, with the transactions that settled them."""

    def __init__(
        self,
        engine: Engine,
        payout: Payout,
        contract: LifecycleContract,
        address: EvmAddress,
        look: Look,
    ) -> None:
        self._engine = engine
        self._payout = payout
        self._payout_id = payout.payout_id
        self._contract = contract
        self._address = address
        self._look = look
        self._settled: dict[str, _Settled] = {}
        self._hash_of_batch: dict[int, str] = {}
        self._kept: OrderedDict[str, ReceiptEvidence | None] = OrderedDict()
        self._head_number = 0

    async def run(self) -> None:
        """Runs the whole comparison."""
        await self._load_settled()
        async for page in recorded_pages(self._engine, self._payout_id):
            for row in page:
                await self._compare(row)
        for transaction_hash, settled in self._settled.items():
            if not settled.is_looked_at:
                # No payment points to it: payees that all failed, or rows that were tampered with.
                await self._evidence(transaction_hash)
        await self._name_unaccounted()
        await self._move_outcomes()

    # ------------------------------------------------------------------------------------ the ledger's side

    async def _load_settled(self) -> None:
        after = 0
        while True:
            async with self._engine.unit_of_work() as work:
                batches = await work.batches.settled_batches(self._payout_id, after=after, limit=_PAGE_BATCHES)
                intents = [(batch, await work.journal.find(batch.intent_key)) for batch in batches]
            for batch, intent in intents:
                if intent is None or intent.outcome is None:
                    what = f"batch {batch.number} is settled", "the journal has no final transaction of it"
                    self._look.find(Finding(DiscrepancyKind.SETTLED_TRANSACTION_GONE, batch.intent_key, *what))
                    continue
                transaction_hash = intent.outcome.transaction_hash
                self._hash_of_batch[batch.number] = transaction_hash
                self._settled[transaction_hash] = _Settled(intent.intent_id, intent.outcome)
            if len(batches) < _PAGE_BATCHES:
                return
            after = batches[-1].number

    def _transaction_of(self, row: RecordedState) -> str:
        """Returns the transaction that can prove what the row says; empty when there is none."""
        if row.state in (PaymentState.PAID, PaymentState.DISPUTED):
            return row.transaction_hash
        return self._hash_of_batch.get(row.batch_number, "") if row.batch_number is not None else ""

    async def _compare(self, row: RecordedState) -> None:
        transaction_hash = self._transaction_of(row)
        is_paid = row.state is PaymentState.PAID
        if not transaction_hash:
            if is_paid:
                self._without_evidence(row, "it names no transaction")
            return
        evidence = await self._evidence(transaction_hash)
        if evidence is None:
            for kind in _KINDS_OF_A_PAYMENT:
                self._look.cannot_tell(kind, row.holder)
            return
        paid = self._paid_by(evidence).get(row.holder, BaseUnits(0))
        settled = self._settled.get(transaction_hash)
        if settled and paid:
            settled.paid_by_ledger += 1
        transferred = evidence.transferred.get(row.holder, 0)
        if is_paid and not paid == transferred == row.amount_base_units:
            self._without_evidence(row, f"the event says {paid}, the token says {transferred}")
        elif row.state is PaymentState.DISPUTED:
            self._in_dispute(row, f"the event says {paid}, the token says {transferred}")
        elif not is_paid and paid:
            self._without_payment(row.holder, transaction_hash, paid, row.state.value)

    # ------------------------------------------------------------------------------------ the chain's side

    async def _evidence(self, transaction_hash: str) -> ReceiptEvidence | None:
        """Returns what a transaction proves; None if it settled a batch and is gone from the chain."""
        if transaction_hash in self._kept:
            self._kept.move_to_end(transaction_hash)
            return self._kept[transaction_hash]
        settled = self._settled.get(transaction_hash)
        evidence = await self._read_evidence(transaction_hash, settled)
        if settled and not settled.is_looked_at:
            settled.is_looked_at = True
            settled.paid_by_evidence = len(self._paid_by(evidence)) if evidence else 0
        self._kept[transaction_hash] = evidence
        if len(self._kept) > _MOST_EVIDENCE_KEPT:
            self._kept.popitem(last=False)
        return evidence

    async def _read_evidence(self, transaction_hash: str, settled: _Settled | None) -> ReceiptEvidence | None:
        if settled is None:
            is_there = await self._is_final_and_succeeded(transaction_hash)
        else:
            is_there = not settled.is_gone and await self._is_where_recorded(settled)
            if not is_there:
                return None
        if not is_there:
            return _NO_EVIDENCE
        return await self._engine.lifecycle_contract.receipt_evidence(
            transaction_hash, self._address, self._contract.payment_token, self._contract.token
        )

    async def _is_final_and_succeeded(self, transaction_hash: str) -> bool:
        """Looks at a transaction that settled no batch of this payout.

        It is asked for again, as a node may lag.
        """
        for _ in range(_MOST_QUESTIONS):
            receipt = await self._engine.rail.find_receipt(transaction_hash)
            if receipt is not None:
                return receipt.succeeded and await self._is_final(receipt.outcome.block_number)
        return False

    async def _is_where_recorded(self, settled: _Settled) -> bool:
        """Returns True if the transaction is still on the chain, even in another block, final and successful.

        False: it is gone.
        """
        recorded = settled.outcome
        receipt = await self._engine.rail.find_receipt(recorded.transaction_hash)
        if receipt and receipt.succeeded and receipt.outcome.block_hash == recorded.block_hash:
            return True
        canonical = await self._engine.rail.block_hash(recorded.block_number)
        if canonical is None or canonical == recorded.block_hash:
            # The node has not lost what it has not seen yet.
            raise AppError(
                Reason.CHAIN_UNAVAILABLE,
                f"the node lags: it does not tell of {recorded.transaction_hash} in block {recorded.block_number}",
            )
        if receipt is None:
            self._gone(settled, "the chain has no receipt of it")
        elif not receipt.succeeded:
            self._gone(settled, f"it reverted in block {receipt.outcome.block_number}")
        elif not await self._is_final(receipt.outcome.block_number):
            self._gone(settled, f"it is in block {receipt.outcome.block_number}, not final yet")
        else:
            settled.moved_to = receipt.outcome
            return True
        return False

    def _gone(self, settled: _Settled, actual: str) -> None:
        settled.is_gone = True
        outcome = settled.outcome
        self._look.find(
            Finding(
                DiscrepancyKind.SETTLED_TRANSACTION_GONE,
                outcome.transaction_hash,
                f"block {outcome.block_number} {outcome.block_hash}",
                actual,
                outcome.transaction_hash,
            )
        )

    def _paid_by(self, evidence: ReceiptEvidence) -> dict[HolderAddress, BaseUnits]:
        """Returns the payees that received something, by the contract's event of an execution for this payout."""
        event = evidence.event
        if event is None or not event.execution.is_of(self._payout.execution_kind, self._payout.reference_id):
            return {}
        return {holder: amount for holder, amount in event.paid.items() if amount}

    async def _is_final(self, block_number: BlockNumber) -> bool:
        """Returns True if a block is deep enough.

        The head is read again only where the last one read does not suffice.
        """
        needed = block_number + self._engine.settings.confirmations
        if self._head_number < needed:
            self._head_number = (await self._engine.rail.head()).number
        return self._head_number >= needed

    # ------------------------------------------------------------------------------------ what it comes to

    async def _name_unaccounted(self) -> None:
        """Records payees that a batch's transaction paid but no row of the ledger shows as paid or settled."""
        missing: dict[HolderAddress, tuple[str, BaseUnits]] = {}
        suspicious = [
            transaction_hash
            for transaction_hash, settled in self._settled.items()
            if settled.paid_by_evidence > settled.paid_by_ledger
        ]
        if len(suspicious) > _MOST_TO_NAME:
            self._look.stop_early()
        for transaction_hash in suspicious[:_MOST_TO_NAME]:
            evidence = await self._evidence(transaction_hash)
            for holder, amount in (self._paid_by(evidence) if evidence else {}).items():
                missing[holder] = transaction_hash, amount
        if not missing:
            return
        told: dict[HolderAddress, str] = {}
        async for page in recorded_pages(self._engine, self._payout_id):
            self._account(page, missing, told)
        for holder, (transaction_hash, amount) in missing.items():
            self._without_payment(holder, transaction_hash, amount, told.get(holder, "no payment of this payout"))

    def _account(
        self,
        rows: Iterable[RecordedState],
        missing: dict[HolderAddress, tuple[str, BaseUnits]],
        told: dict[HolderAddress, str],
    ) -> None:
        """Removes the payees from `missing` whose row names the transaction.

        Notes what the rows of the others say.
        """
        for row in rows:
            if row.holder not in missing:
                continue
            if missing[row.holder][0] == self._transaction_of(row):
                del missing[row.holder]
            else:
                told[row.holder] = f"{row.state.value} {row.transaction_hash}".rstrip()

    async def _move_outcomes(self) -> None:
        for settled in self._settled.values():
            if settled.moved_to is None or settled.has_findings:
                continue
            async with self._engine.unit_of_work() as work:
                intent = await work.journal.lock(settled.intent_id)
                intent.move_outcome(settled.moved_to)
                await work.journal.save(intent)
                await work.commit()

    def _without_evidence(self, row: RecordedState, actual: str) -> None:
        self._blame(row.transaction_hash)
        self._look.find(
            Finding(
                DiscrepancyKind.PAYMENT_WITHOUT_EVIDENCE,
                row.holder,
                f"paid {row.amount_base_units}",
                actual,
                row.transaction_hash,
            )
        )

    def _in_dispute(self, row: RecordedState, actual: str) -> None:
        expected = f"paid {row.amount_base_units}, or not at all"
        finding = Finding(_DISPUTED, row.holder, expected, actual, row.transaction_hash)
        self._look.find(finding)

    def _without_payment(
        self, holder: HolderAddress, transaction_hash: str, paid_base_units: BaseUnits, actual: str
    ) -> None:
        self._blame(transaction_hash)
        self._look.find(
            Finding(
                DiscrepancyKind.EVIDENCE_WITHOUT_PAYMENT,
                holder,
                f"paid {paid_base_units}",
                actual,
                transaction_hash,
            )
        )

    def _blame(self, transaction_hash: str) -> None:
        if transaction_hash in self._settled:
            self._settled[transaction_hash].has_findings = True
