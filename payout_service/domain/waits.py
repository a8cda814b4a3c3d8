"""The names of everything that payouts, sweeps, pause requests and transactions wait for. docs/waits.md is made
from them.

Whoever decides by a wait asks `wait.what`. The text, `NAME: details`, is made where it is stored or shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, unique

from libs.errors import Reason


class EndedBy(StrEnum):
    """Who or what ends a wait."""

    OPERATOR = "an operator"
    # The issuer, or whoever grants roles on the asset or on its lifecycle contract.
    ADMIN = "an admin of the contracts"
    DEPOSIT = "a deposit"
    TIME = "time"
    NODE = "the node"
    ITSELF = "by itself"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explains a name in docs/waits.md, in Markdown: what it means, who or what ends the wait, and how."""

    meaning: str
    ended_by: EndedBy
    way_out: str


_GOES_ON = "Nothing: the payout goes on then."
_AFTER_RESTORE = "Do as after [restoring a backup](operations.md#restoring-a-backup), from step 2."


@unique
class WaitFor(Enum):
    """Everything that is waited for. The names are stable: API, events and database show them."""

    # Conditions of readiness; see ConditionKind.
    LIFECYCLE_CONTRACT_EXISTS = Explanation(
        "The asset has no lifecycle contract yet, or there is none at the address.",
        EndedBy.ITSELF,
        "payout_service deploys the contract once the signer has gas money. The text tells what that waits for.",
    )
    PAYMENT_TOKEN_MATCHES = Explanation(
        "The lifecycle contract pays in another token than the asset was imported with.",
        EndedBy.ADMIN,
        "The text names the role and the call that change it.",
    )
    ASSET_MATCHES = Explanation(
        "The lifecycle contract was made for another asset, or that cannot be told yet.",
        EndedBy.OPERATOR,
        "Import with the lifecycle contract of this asset. If it cannot be told: mend the other conditions first.",
    )
    LIFECYCLE_CONTRACT_NOT_PAUSED = Explanation(
        "The lifecycle contract was paused before the payout began.",
        EndedBy.OPERATOR,
        "`UnpauseAsset`, or who holds PAUSER_ROLE unpauses it.",
    )
    PAYOUT_ROLE_HELD = Explanation(
        "A signer had no PAYOUT_ROLE before the payout began.",
        EndedBy.ADMIN,
        "The contract's DEFAULT_ADMIN grants PAYOUT_ROLE to the signer that is named.",
    )
    SNAPSHOT_ROLE_HELD = Explanation(
        "The signer may not take snapshots of the asset.",
        EndedBy.ADMIN,
        "The asset's admin grants SNAPSHOT_ROLE to the signer that is named.",
    )
    SIGNER_HAS_GAS_MONEY = Explanation(
        "A signer has less native currency than `PAYOUT_SERVICE_MIN_GAS_MONEY_WEI`.",
        EndedBy.DEPOSIT,
        "Send native currency to the signer that is named.",
    )
    CASH_OUT_ROLE_HELD = Explanation(
        "A signer had no CASHOUT_ROLE before the redemption began.",
        EndedBy.ADMIN,
        "The contract's DEFAULT_ADMIN grants CASHOUT_ROLE to the signer that is named.",
    )
    REDEEMER_ROLE_HELD = Explanation(
        "The lifecycle contract had no MATURITY_REDEEMER_ROLE of the bond before the redemption began.",
        EndedBy.ADMIN,
        "The bond's admin grants MATURITY_REDEEMER_ROLE to the lifecycle contract.",
    )
    RECORD_DATE_REACHED = Explanation(
        "The record date is still to come, by the chain's clock.", EndedBy.TIME, _GOES_ON
    )
    RATE_SET = Explanation(
        "The coupon has no rate yet, or none that is final.",
        EndedBy.ADMIN,
        "The issuer sets the coupon's rate on the asset.",
    )
    MATURITY_REACHED = Explanation(
        "The bond matures later, by the chain's clock.", EndedBy.TIME, "Nothing: the redemption goes on then."
    )

    # Before the plan is frozen.
    ACTION_HAS_PAYOUT = Explanation(
        "Another payout pays the same dividend, coupon or redemption and is not over. A cancelled redemption is "
        "not over while one of its payments is disputed: its tokens could be paid for twice.",
        EndedBy.ITSELF,
        "Wait for the other payout, or cancel one of the two. Disputes are looked at again by themselves.",
    )
    BALANCES_NOT_FINAL = Explanation(
        "Tokens of a bond that is redeemed have just moved, or were just redeemed.",
        EndedBy.TIME,
        "Nothing: the payout goes on when that is final.",
    )
    SNAPSHOT_NEVER_OURS = Explanation(
        "Others use the nonces of the snapshot again and again.",
        EndedBy.OPERATOR,
        "Somebody else has the key: change it.",
    )
    SNAPSHOT_PAGE_SHORT = Explanation(
        "The node returned fewer holders than the snapshot has.", EndedBy.NODE, "Look at the node."
    )
    MONEY_UNDER_WAY = Explanation(
        "A percentage of the contract's money cannot be told while batches or sweeps are on their way.",
        EndedBy.ITSELF,
        "Nothing: they are settled when they are final.",
    )
    INSUFFICIENT_FUNDS = Explanation(
        "The lifecycle contract has too little money that is promised to nobody else.",
        EndedBy.DEPOSIT,
        "Deposit the amount that is named into the lifecycle contract.",
    )

    # Before each batch.
    PAYMENT_TOKEN_CHANGED = Explanation(
        "The lifecycle contract pays in another token than the plan.",
        EndedBy.ADMIN,
        "Change it back, or leave the payout as it is.",
    )
    IMPLEMENTATION_CHANGED = Explanation(
        "The lifecycle contract's proxy was upgraded after the plan was frozen.",
        EndedBy.ADMIN,
        "Review the upgrade; going on needs the old implementation.",
    )
    LIFECYCLE_CONTRACT_PAUSED = Explanation(
        "The lifecycle contract is paused. Nobody is paid less for the wait.",
        EndedBy.OPERATOR,
        "`UnpauseAsset`, or who holds PAUSER_ROLE unpauses the contract.",
    )
    PAYOUT_ROLE_MISSING = Explanation(
        "A signer has lost PAYOUT_ROLE.",
        EndedBy.ADMIN,
        "The contract's DEFAULT_ADMIN grants PAYOUT_ROLE to the signer.",
    )
    CASH_OUT_ROLE_MISSING = Explanation(
        "A signer has lost CASHOUT_ROLE.",
        EndedBy.ADMIN,
        "The contract's DEFAULT_ADMIN grants CASHOUT_ROLE to the signer.",
    )
    REDEEMER_ROLE_MISSING = Explanation(
        "The lifecycle contract has lost MATURITY_REDEEMER_ROLE of the bond.",
        EndedBy.ADMIN,
        "The bond's admin grants MATURITY_REDEEMER_ROLE to the lifecycle contract.",
    )
    AMOUNTS_CHANGED = Explanation(
        "The asset owes a payee something else than the frozen plan says.",
        EndedBy.OPERATOR,
        "Find out why; `CancelPayout` gives up.",
    )
    EXECUTION_DATE_AHEAD = Explanation(
        "The dividend or coupon is paid from its execution date on.", EndedBy.TIME, "Nothing: it is paid then."
    )
    BATCH_WOULD_REVERT = Explanation(
        "The node says that a batch would revert whoever is in it, and why.",
        EndedBy.OPERATOR,
        "Mend the cause.",
    )
    BATCH_CAPS_TOO_LOW = Explanation(
        "Not even one payee fits into a batch.", EndedBy.OPERATOR, "Raise `PAYOUT_SERVICE_MAX_BATCH_GAS`."
    )

    # At the end.
    PAYMENTS_WAITING = Explanation(
        "Payments were refused and are tried again at their `retry_time`.",
        EndedBy.TIME,
        "`ListPayments` tells why; `RetryPayments` tries them at once.",
    )
    DEFERRED = Explanation(
        "Payments below the minimum wait for their holders' deferrals to reach it.",
        EndedBy.ITSELF,
        "Nothing: later payouts add to them. `RetryPayments` with the holder pays now, `CancelPayout` gives up.",
    )
    TOKENS_LEFT = Explanation(
        "A redemption has paid everybody whom the bond lists, and tokens are still there: frozen, locked or held "
        "ones, or those of a holder that the bond's list lacks.",
        EndedBy.OPERATOR,
        "Free the tokens, compare `ListHolders` with the payments, then `RetryPayments`: the live holders are "
        "listed once more. How a holder comes back to the list: [errors.md](errors.md#discrepancies). "
        "`CancelPayout` gives up on them.",
    )
    ROUNDS_EXHAUSTED = Explanation(
        "A redemption still found tokens to redeem after 16 rounds.",
        EndedBy.OPERATOR,
        "Stop the transfers, `CancelPayout`, and create another redemption.",
    )
    PAUSED = Explanation(
        "An operator paused the payout.", EndedBy.OPERATOR, "`ResumePayout` goes on, `CancelPayout` gives up."
    )

    # A transaction.
    CALL_WOULD_REVERT = Explanation(
        "The node says that the call would revert, and why.", EndedBy.OPERATOR, "Mend the cause."
    )
    GAS_CAP_TOO_LOW = Explanation(
        "The call needs more gas than the cap allows.",
        EndedBy.OPERATOR,
        "Raise `PAYOUT_SERVICE_MAX_TRANSACTION_GAS`.",
    )
    FEE_CAP_REACHED = Explanation(
        "The chain asks for more per gas than `PAYOUT_SERVICE_MAX_FEE_PER_GAS_WEI`.",
        EndedBy.TIME,
        "Wait, or raise the setting.",
    )
    FEE_TOO_LOW = Explanation(
        "The node refused the bytes for now: they offer too little.",
        EndedBy.ITSELF,
        "Nothing at first: they are sent again, or replaced. Look at the node if it stays.",
    )
    NONCE_GAP = Explanation(
        "The node refused the bytes for now: it lacks a transaction before them.",
        EndedBy.ITSELF,
        "Nothing at first: they are sent again. Look at the node if it stays.",
    )
    NOT_TAKEN_BY_NODE = Explanation(
        "The node refused the bytes for now, for the reason that is told.",
        EndedBy.ITSELF,
        "Nothing at first: they are sent again. Look at the signer's gas money and at the node if it stays.",
    )
    NEVER_FITS = Explanation(
        "The node says that the transaction can never be mined.",
        EndedBy.ITSELF,
        "Nothing: its nonce goes to a no-op, its payees into smaller batches.",
    )
    OUTCOME_UNKNOWN = Explanation(
        "The bytes were sent without a reply.", EndedBy.ITSELF, "Nothing: the outcome is being looked for."
    )
    NOT_MINED = Explanation(
        "The transaction was sent but has not been mined for a long time.",
        EndedBy.NODE,
        "Its fee is raised as far as the cap allows; look at the node.",
    )

    # A signer.
    CHAIN_BEHIND_JOURNAL = Explanation(
        "The node knows fewer transactions than are final: it lags, or the chain lost blocks.",
        EndedBy.NODE,
        "Use another node.",
    )
    WRONG_CHAIN = Explanation(
        "The node is on another chain than the settings or the journal.",
        EndedBy.OPERATOR,
        "Mend `PAYOUT_SERVICE_RPC_URL`.",
    )
    SIGNER_CHANGED = Explanation(
        "The transaction belongs to another key.", EndedBy.OPERATOR, "Start payout_service with that key."
    )
    SIGNER_NEEDS_RECONCILIATION = Explanation(
        "The signer has stopped; the text goes on with one of the two names below, or tells the nonce.",
        EndedBy.OPERATOR,
        "`ReconcileSigner`.",
    )
    JOURNAL_BEHIND_CHAIN = Explanation(
        "Behind `SIGNER_NEEDS_RECONCILIATION`: a backup was restored, or somebody else used the key.",
        EndedBy.OPERATOR,
        _AFTER_RESTORE,
    )
    NONCE_LOST = Explanation(
        "Behind `SIGNER_NEEDS_RECONCILIATION`: somebody else used a nonce of ours.",
        EndedBy.OPERATOR,
        _AFTER_RESTORE,
    )

    # A request to pause or unpause.
    LIFECYCLE_CONTRACT_FAILED = Explanation(
        "In an asset's `pause_problem`: the lifecycle contract could not be deployed.",
        EndedBy.OPERATOR,
        "Import the token anew: there is nothing to pause.",
    )
    PAUSER_ROLE_MISSING = Explanation(
        "In `pause_problem`: the signer may not pause the contract.",
        EndedBy.ADMIN,
        "The contract's DEFAULT_ADMIN grants PAUSER_ROLE to the signer.",
    )
    NOT_FINAL = Explanation(
        "In `pause_problem`: somebody else has just paused or unpaused the contract.",
        EndedBy.TIME,
        "Nothing: it counts once that is final.",
    )
    PAUSE_REVERTED = Explanation(
        "In `pause_problem`: the transaction reverted, perhaps because somebody else was faster.",
        EndedBy.ITSELF,
        "Nothing: the contract is looked at again.",
    )
    PAUSE_TRIED_TOO_OFTEN = Explanation(
        "In `pause_problem`: 16 transactions have not paused (or unpaused) the contract.",
        EndedBy.OPERATOR,
        "Find out who works against it; then ask again.",
    )

    INTERNAL = Explanation("A defect.", EndedBy.OPERATOR, "Look into payout_service's log.")
    OTHER = Explanation(
        "Not shown: a text that was stored by another version and has none of these names. It is shown as it is.",
        EndedBy.OPERATOR,
        "Look into the documentation of that version.",
    )

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


# Reasons of refused calls that a payout waits for too: what they mean there.
REASONS_WAITED_FOR: Mapping[Reason, Explanation] = {
    Reason.CORPORATE_ACTION_CANCELLED: Explanation(
        "The issuer has cancelled the dividend or coupon; nothing more is sent.",
        EndedBy.OPERATOR,
        "`CancelPayout` gives up.",
    ),
    Reason.CORPORATE_ACTION_NOT_FOUND: Explanation(
        "The asset no longer has the dividend or coupon; nothing more is sent.",
        EndedBy.OPERATOR,
        "Look at the asset and at the node; `CancelPayout` gives up.",
    ),
    Reason.ASSET_VERSION_NOT_SUPPORTED: Explanation(
        "The asset tells its dividends or coupons in a form that the lifecycle contract cannot read.",
        EndedBy.OPERATOR,
        "Have the asset upgraded by its issuer; `CancelPayout` gives up.",
    ),
    Reason.CHAIN_UNAVAILABLE: Explanation(
        "The node did not answer, or lags.", EndedBy.NODE, "Look at the node if it stays."
    ),
    Reason.PEER_UNAVAILABLE: Explanation(
        "chain_sync_service did not answer.", EndedBy.ITSELF, "See `make status` if it stays."
    ),
}


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for, with details for people. Its text is what is stored and shown."""

    what: WaitFor | Reason
    detail: str

    def __str__(self) -> str:
        return self.detail if self.what is WaitFor.OTHER else f"{self.what.name}: {self.detail}"


def signer_stopped(why: WaitFor, detail: str) -> Wait:
    """Returns the wait for a signer that stopped until ReconcileSigner, with the name of the reason."""
    return Wait(WaitFor.SIGNER_NEEDS_RECONCILIATION, str(Wait(why, detail)))


def read_wait(text: str) -> Wait | None:
    """Returns the wait in a stored text; None for an empty text. OTHER keeps a text without a known name."""
    name, colon, detail = text.partition(": ")
    if colon and name in WaitFor.__members__ and name != WaitFor.OTHER.name:
        return Wait(WaitFor[name], detail)
    return Wait(WaitFor.OTHER, text) if text else None


def told(reason: object | None) -> str:
    """Returns the text of a wait or of a similar reason; empty for None."""
    return "" if reason is None else str(reason)
