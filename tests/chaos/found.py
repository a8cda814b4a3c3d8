"""What was found in PostgreSQL and on the chain, as plain values. Addresses and hashes are in lower case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attempt:
    """Signed bytes in the journal. `is_recorded_as_sent`: a time of sending is stored."""

    transaction_hash: str
    is_recorded_as_sent: bool


@dataclass(frozen=True, slots=True)
class Intent:
    """A transaction that the journal means to make."""

    key: str
    purpose: str
    state: str
    nonce: int | None
    outcome_hash: str | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Payees of one call; `settled_state` is None while it is open."""

    number: int
    holder_count: int
    amount_base_units: int
    intent_key: str
    settled_state: str | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of the plan."""

    holder: str
    amount_base_units: int
    state: str
    batch_number: int | None
    transaction_hash: str
    round_number: int = 1


@dataclass(frozen=True, slots=True)
class Payout:
    """The payout's row; what is not known yet is None. Of a redemption counts are those of the present round."""

    state: str
    version: int
    snapshot_id: int | None
    holder_count: int
    planned_count: int
    plan_hash: str | None
    payable_base_units: int | None
    rounding_dust_base_units: int | None
    frozen_share_base_units: int | None
    paid_count: int
    paid_base_units: int
    round_number: int = 1
    listed_count: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """What payout_service has durably stored about one payout or sweep (None: none yet) and its asset's contract.

    `earlier_payments` are those of payouts that the case has made before this one; `intents` are of them too.

    `events` are the names in the outbox by the payout's version, published or not; `requests` the ids of the
    operators' calls on the payout that are recorded; `halted_because` why the signer may not sign.
    `wants_paused`: what an operator has asked of the contract and is not done yet, None for nothing;
    `pause_intent_key` names the transaction that is under way for it.
    """

    payout: Payout | None
    contract_state: str
    next_nonce: int | None
    intents: tuple[Intent, ...] = ()
    batches: tuple[Batch, ...] = ()
    payments: tuple[Payment, ...] = ()
    earlier_payments: tuple[Payment, ...] = ()
    committed_base_units: int | None = None
    events: Mapping[int, str] = field(default_factory=dict)
    requests: frozenset[str] = frozenset()
    sweep_state: str | None = None
    halted_because: str = ""
    wants_paused: bool | None = None
    pause_intent_key: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction of the signer that the chain knows; `block` is None in the pool."""

    nonce: int
    block: int | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A Transfer log of the payment token, out of the lifecycle contract."""

    to: str
    amount_base_units: int
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class Move:
    """A Transfer log of the security token; `to` is the zero address where tokens were burned."""

    sender: str
    to: str
    tokens: int
    transaction_hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What the chain says has happened since the case began."""

    sent: Mapping[str, Sent]
    # Payment token received since then, by holder.
    received: Mapping[str, int]
    transfers: tuple[Transfer, ...]
    # Snapshot id by the transaction that took it, or triggered it.
    snapshots: Mapping[str, int]
    # Payment token in the lifecycle contract: the change since then; None while there is no contract.
    contract_change_base_units: int | None
    # Every change of holders since then, in order, and who holds tokens now.
    moves: tuple[Move, ...] = ()
    live_balances: Mapping[str, int] = field(default_factory=dict)
    # Every time the lifecycle contract was paused (True) or unpaused since then, in order.
    pauses: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Bond:
    """A bond when its redemption began: who held how much, and how many of its base units are worth one of money.

    Both tokens have as many decimals, so that this is 1 / the nominal value of a whole token.
    """

    balances: Mapping[str, int]
    tokens_per_base_unit: int

    def principal(self, tokens: int) -> int:
        """What tokens are worth: base units of the payment token, rounded down."""
        return tokens // self.tokens_per_base_unit


@dataclass(frozen=True, slots=True)
class Before:
    """Where the chain stood when the case began: the signer's next nonce."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a check looks at. `owed` is computed from what the run issued; `nth`: which reach killed.

    `request_id` is that of the operator's call that the case makes, if any; `foreign` are the transactions of the
    signer that the case sent past the service.
    """

    before: Before
    total_base_units: int
    owed: Mapping[str, int]
    books: Books
    chain: Chain
    nth: int = 1
    # How many the work takes, from its beginning to its end.
    snapshots_due: int = 1
    request_id: str = ""
    foreign: frozenset[str] = frozenset()
    # Nobody is to be paid in the end: the payout is cancelled before it pays.
    is_given_up: bool = False
    # So many payouts of the case owe each of them that much, each in a transfer of its own.
    payout_count: int = 1
    # Who is owed less by one of them is paid when several do.
    minimum_base_units: int = 0
    # Set where the bond is redeemed: `owed` is then what its holders would get if no token moved.
    bond: Bond | None = None
    # Whether operators want the lifecycle contract paused, wish by wish.
    pauses_due: tuple[bool, ...] = ()

    def intents(self, purpose: str) -> list[Intent]:
        """The intents of a purpose, in the order of their nonces; those without one at the end."""
        found = [intent for intent in self.books.intents if intent.purpose == purpose]
        return sorted(found, key=lambda intent: (intent.nonce is None, intent.nonce or 0))

    def is_known(self, intent: Intent) -> bool:
        """True when the chain knows an attempt of it, in the pool or in a block."""
        return any(attempt.transaction_hash in self.chain.sent for attempt in intent.attempts)

    def is_mined(self, intent: Intent) -> bool:
        """True when a block holds an attempt of it."""
        found = (self.chain.sent.get(attempt.transaction_hash) for attempt in intent.attempts)
        return any(sent is not None and sent.block is not None for sent in found)

    def payments_of(self, batch: Batch) -> list[Payment]:
        """The payments of a batch."""
        return [payment for payment in self.books.payments if payment.batch_number == batch.number]

    def intent_of(self, batch: Batch) -> Intent | None:
        """A batch's intent; None is a defect."""
        return next((intent for intent in self.books.intents if intent.key == batch.intent_key), None)
