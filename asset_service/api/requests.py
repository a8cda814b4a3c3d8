"""Parses what several requests of this service have in common: accounts."""

from asset_service.application.ports import Account
from libs.chain.address import HederaId
from libs.grpc_kit.accounts import parse_evm_account


def parse_account(text: str, field: str) -> Account:
    """Reads an account in EVM or Hedera notation. chain_sync_service resolves a Hedera id later.

    Raises AppError, naming `field`: REQUIRED_FIELD_MISSING, INVALID_ADDRESS.
    """
    return HederaId.parse(text) or parse_evm_account(text, field)
