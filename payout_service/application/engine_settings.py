"""The settings of the payout engine: limits, intervals and timeouts."""

from dataclasses import KW_ONLY, dataclass, field

from libs.chain.quantities import Wei
from payout_service.domain.batch_sizing import BatchLimits
from payout_service.domain.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings of the engine. Times are in seconds unless named otherwise."""

    confirmations: int
    batch_limits: BatchLimits
    _: KW_ONLY
    # Per signer.
    max_in_flight_transactions: int = 4
    max_transaction_gas: int = 15_000_000
    # Offered per gas at most.
    max_fee_per_gas_wei: Wei = Wei(10**13)
    # Sets of signed bytes for one nonce at most; the last one is sent again and again.
    max_attempts: int = 16
    # Without a receipt for so long, a transaction whose turn it is gets a higher fee.
    replace_after_seconds: float = 30.0
    rebroadcast_seconds: float = 10.0
    # A batch that waited for its signature for so long is made anew, with every check.
    stale_batch_seconds: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    plan_page_size: int = 500
    lease_seconds: float = 20.0
    poll_seconds: float = 1.0
    blocked_poll_seconds: float = 5.0
    ready_poll_seconds: float = 30.0
    # Between two comparisons of plan, ledger and chain of one payout.
    reconcile_seconds: float = 300.0
    min_gas_money_wei: Wei = Wei(10**17)
