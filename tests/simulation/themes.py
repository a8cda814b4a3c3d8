"""How likely each fault is in a run. Every fault may befall every run; a theme makes some of them frequent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Odds:
    """Chances per tick, unless named otherwise."""

    # Of a broadcast.
    request_lost: float = 0.04
    reply_lost: float = 0.04
    request_late: float = 0.05
    sent_twice: float = 0.04
    not_taken: float = 0.02
    # Of an event.
    event_twice: float = 0.4
    event_late: float = 0.4
    # Of a tick.
    late_arrives: float = 0.15
    mining: float = 0.7
    crash: float = 0.03
    outage: float = 0.003
    down: float = 0.01
    lag: float = 0.01
    deposit: float = 0.015
    payee_blocked: float = 0.02
    payee_poisoned: float = 0.006
    contract_paused: float = 0.005
    # An operator of asset_service pauses the asset, or unpauses it.
    pause: float = 0.01
    foreign: float = 0.006
    wrong_chain: float = 0.004
    verb: float = 0.02
    sweep: float = 0.006
    # Of a tick while a transaction waits to be mined.
    stuck: float = 0.1
    evict: float = 0.15
    fee_spike: float = 0.25
    fee_above_cap: float = 0.08
    money_leaves: float = 0.0
    # Of a tick while a block that may be taken back has transactions of ours.
    reorg: float = 0.4
    # Of a tick while two payouts or more wait for money: a deposit for one of them.
    rivalry: float = 0.1
    # Of a tick: what holders and the issuer do.
    token_moves: float = 0.15
    freezes: float = 0.04
    listings: float = 0.012
    action_cancelled: float = 0.008
    rate_set: float = 0.08
    # Of a tick while a record date has come and nothing has taken its snapshot; while others may pay.
    triggered_by_others: float = 0.1
    paid_by_others: float = 0.006
    # Of a tick while a redemption pays: tokens of a payee move, or are frozen, or others redeem them.
    races: float = 0.3
    # Of a run: the asset has neither dividends nor coupons and is never redeemed; a payout has rules; and more
    # payouts than usual.
    is_plain: float = 0.45
    has_rules: float = 0.3
    more_payouts: int = 0
    # Of a run.
    restores: int = 0
    is_relay: float = 0.25
    is_short_of_money: float = 0.35
    # Then no money at all.
    poorest: float = 0.25
    is_odd: float = 0.06
    deploys: float = 0.04


BASE = Odds()
# Seed modulo their number: those that are rare by nature stand more than once.
THEMES: Mapping[str, Odds] = {
    "mixed": replace(BASE, restores=3),
    "network": replace(
        BASE, request_lost=0.15, reply_lost=0.15, request_late=0.15, sent_twice=0.1, is_relay=0.4, down=0.02
    ),
    "relay": replace(BASE, is_relay=1.0, request_late=0.1),
    "busy relay": replace(BASE, is_relay=1.0, deposit=0.2, money_leaves=0.6, mining=0.4),
    "dear": replace(BASE, fee_spike=0.8, fee_above_cap=0.3, is_relay=0.0),
    "fees": replace(BASE, fee_spike=0.6, fee_above_cap=0.4, is_relay=0.0, stuck=0.15),
    "forks": replace(BASE, reorg=0.9, payee_blocked=0.08, is_relay=0.0),
    "lagging": replace(BASE, lag=0.1, reorg=0.25, down=0.03, foreign=0.01, is_relay=0.0),
    "lagging money": replace(BASE, lag=0.35, is_short_of_money=1.0, sweep=0.12, deposit=0.05, mining=0.9),
    "crashes": replace(BASE, crash=0.2, outage=0.02, reorg=0.4, restores=3),
    "rivals": replace(BASE, is_short_of_money=1.0, rivalry=0.6, deposit=0.0, poorest=1.0, crash=0.01),
    "money": replace(BASE, is_short_of_money=1.0, deposit=0.06, sweep=0.04),
    "money leaves": replace(BASE, deposit=0.3, sweep=0.02, money_leaves=0.8, is_relay=0.0, mining=0.35),
    "money leaves a relay": replace(BASE, deposit=0.3, money_leaves=0.8, is_relay=1.0, mining=0.35),
    "payees": replace(BASE, payee_blocked=0.2, payee_poisoned=0.12, deposit=0.2, money_leaves=0.6, mining=0.45),
    "operator": replace(BASE, verb=0.15, sweep=0.03, contract_paused=0.01, pause=0.1),
    "foreign": replace(BASE, foreign=0.06, outage=0.02, reorg=0.3, is_relay=0.1, verb=0.04, sweep=0.04),
    "restored": replace(BASE, restores=6, foreign=0.0, crash=0.05),
    "stopped": replace(BASE, wrong_chain=0.05, contract_paused=0.05, pause=0.1, down=0.04, fee_above_cap=0.1),
    "given up": replace(
        BASE,
        verb=0.25,
        stuck=0.5,
        reply_lost=0.3,
        request_lost=0.1,
        is_relay=0.0,
        is_short_of_money=0.0,
        foreign=0.0,
    ),
    "odd": replace(BASE, is_odd=0.8, deploys=0.5, verb=0.08),
    "pool": replace(BASE, stuck=0.3, evict=0.4, request_late=0.1, is_relay=0.0, foreign=0.01),
    "restored and foreign": replace(BASE, restores=5, foreign=0.02, verb=0.05),
    "restless holders": replace(BASE, is_plain=0.0, token_moves=0.7, freezes=0.2, listings=0.05, races=0.6),
    "issuer": replace(
        BASE, is_plain=0.0, action_cancelled=0.04, triggered_by_others=0.4, paid_by_others=0.03, restores=4
    ),
    "deferrals": replace(BASE, is_plain=0.8, has_rules=1.0, more_payouts=3, verb=0.03, foreign=0.002, restores=1),
}
_NAMES = tuple(THEMES)


def theme_of(seed: int) -> tuple[str, Odds]:
    """The theme of a seed."""
    name = _NAMES[seed % len(_NAMES)]
    return name, THEMES[name]


# Named faults that a long run must have seen, each so many times (`make simulate SEEDS=2000`).
FAULTS = (
    "lost_request",
    "lost_reply",
    "late_request",
    "duplicate_broadcast",
    "duplicate_delivery",
    "reordered_delivery",
    "nonce_gap_refused",
    "stuck_transaction",
    "replaced_transaction",
    "dropped_transaction",
    "reorg_drop",
    "reorg_remine_elsewhere",
    "reorg_other_outcome",
    "node_lag",
    "crash",
    "two_replicas_raced",
    "rpc_down",
    "fee_spike",
    "fee_cap_reached",
    "blocked_payee",
    "poison_payee",
    "funds_ran_out",
    "deposit",
    "contract_paused",
    "paused_on_request",
    "unpaused_on_request",
    "pause_reverted",
    "pause_overtaken",
    "batch_met_a_pause",
    "foreign_nonce",
    "restored_backup",
    "wrong_chain",
    "token_transfer",
    "transfer_between_batches",
    "tokens_frozen",
    "tokens_unfrozen",
    "listed_holder",
    "rate_set_late",
    "action_cancelled",
    "action_announced_anew",
    "record_snapshot_triggered_by_others",
    "foreign_distribution",
    "foreign_cash_out",
    "frozen_tokens_paid",
    "deferral_released",
    "deferral_paid_by_name",
)
# Those that can befall few runs, and there hardly more than once.
RARE_FAULTS = frozenset(
    {
        "paused_on_request",
        "unpaused_on_request",
        "pause_reverted",
        "pause_overtaken",
        "batch_met_a_pause",
        "transfer_between_batches",
        "listed_holder",
        "rate_set_late",
        "action_cancelled",
        "record_snapshot_triggered_by_others",
        "action_announced_anew",
        "foreign_distribution",
        "foreign_cash_out",
        "frozen_tokens_paid",
        "deferral_released",
        "deferral_paid_by_name",
    }
)
