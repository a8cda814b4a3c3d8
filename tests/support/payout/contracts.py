"""Groups the three contracts of an asset, and the rail with its keys, so that tests can pass each group as one."""

from collections.abc import Sequence
from typing import Protocol

from libs.evm.rpc import JsonRpc
from payout_service.application.ports.lifecycle_contract import LifecycleContractPort
from payout_service.application.ports.payment_token import PaymentToken
from payout_service.application.ports.rail import Rail
from payout_service.application.ports.security_token import SecurityToken
from payout_service.application.ports.sender import Sender
from payout_service.infrastructure.chain.lifecycle_contract import EvmLifecycleContract
from payout_service.infrastructure.chain.payment_token import EvmPaymentToken
from payout_service.infrastructure.chain.rail import EvmRail, FeeModel
from payout_service.infrastructure.chain.security_token import EvmSecurityToken
from payout_service.infrastructure.chain.sender import EvmSender
from payout_service.infrastructure.chain.signer import Signer


class Contracts(SecurityToken, LifecycleContractPort, PaymentToken, Protocol):
    """The asset, its lifecycle contract and its payment token."""


class EvmContracts(EvmSecurityToken, EvmLifecycleContract, EvmPaymentToken):
    """The three contracts on a real node."""


class SendingRail(Rail, Sender, Protocol):
    """A chain, and the keys to send to it."""


class SendingEvmRail(EvmRail, EvmSender):
    """The chain of a real node, and the keys to send to it."""

    def __init__(
        self, rpc: JsonRpc, signers: Sequence[Signer], *, fee_model: FeeModel = FeeModel.BLOCK_BASE_FEE
    ) -> None:
        EvmRail.__init__(self, rpc, fee_model=fee_model)
        EvmSender.__init__(self, rpc, signers)
