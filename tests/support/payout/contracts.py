"""The three contracts of an asset behind one name, as tests ask them; the service keeps them apart."""

from typing import Protocol

from payout_service.application.ports.lifecycle_contract import LifecycleContractPort
from payout_service.application.ports.payment_token import PaymentToken
from payout_service.application.ports.security_token import SecurityToken
from payout_service.infrastructure.chain.lifecycle_contract import EvmLifecycleContract
from payout_service.infrastructure.chain.payment_token import EvmPaymentToken
from payout_service.infrastructure.chain.security_token import EvmSecurityToken


class Contracts(SecurityToken, LifecycleContractPort, PaymentToken, Protocol):
    """The asset, its lifecycle contract and its payment token."""


class EvmContracts(EvmSecurityToken, EvmLifecycleContract, EvmPaymentToken):
    """The same at a node."""
