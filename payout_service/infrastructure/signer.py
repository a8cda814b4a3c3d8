"""The signing key: from an encrypted keystore, or raw for the embedded chain only. It never leaves this module."""

import json
import stat
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.types import TransactionDictType
from eth_keyfile.exceptions import EthKeyfileException
from eth_typing import HexStr

from libs.chain.address import EvmAddress
from libs.config import SettingsError
from libs.grpc_kit.accounts import checksummed
from payout_service.domain.transaction import ContractCall, Fees, SignedTransaction

_EIP1559_TYPE = 2


class LocalSigner:
    """Signs with a key in memory. Its repr shows the address only."""

    def __init__(self, account: LocalAccount) -> None:
        self.__account = account
        self.address = EvmAddress(account.address.lower())

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def sign(
        self, call: ContractCall, *, chain_id: int, nonce: int, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """An EIP-1559 transaction without value (EIP-155 replay protection is part of its type)."""
        transaction: TransactionDictType = {
            "type": _EIP1559_TYPE,
            "chainId": chain_id,
            "nonce": nonce,
            "gas": gas_limit,
            "maxFeePerGas": fees.max_fee_per_gas_wei,
            "maxPriorityFeePerGas": fees.max_priority_fee_per_gas_wei,
            "value": 0,
            "data": call.data,
        }
        if call.to:
            transaction["to"] = HexStr(checksummed(call.to))
        signed = self.__account.sign_transaction(transaction)
        return SignedTransaction(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the key is: an encrypted keystore with its password's file, or a raw key for the embedded chain."""

    keystore: Path | None
    password: Path | None
    raw_key: Path | None


def load_signer(files: KeyFiles, *, is_devnet: bool) -> LocalSigner:
    """Reads the key. Raises SettingsError naming the setting, never its content."""
    if files.keystore and files.raw_key:
        raise SettingsError("give PAYOUT_SERVICE_SIGNER_KEYSTORE_FILE or _SIGNER_KEY_FILE, not both")
    if files.keystore:
        return _from_keystore(files.keystore, files.password)
    if files.raw_key is None:
        raise SettingsError("PAYOUT_SERVICE_SIGNER_KEYSTORE_FILE is required")
    if not is_devnet:
        raise SettingsError(
            "PAYOUT_SERVICE_SIGNER_KEY_FILE: a raw key is for the embedded chain only; use an encrypted keystore"
        )
    return _from_raw_key(files.raw_key)


def _from_keystore(path: Path, password_path: Path | None) -> LocalSigner:
    if password_path is None:
        raise SettingsError("PAYOUT_SERVICE_SIGNER_PASSWORD_FILE is required with a keystore")
    password = _read_private(password_path, "PAYOUT_SERVICE_SIGNER_PASSWORD_FILE").rstrip("\r\n")
    content = _read_private(path, "PAYOUT_SERVICE_SIGNER_KEYSTORE_FILE")
    try:
        key = Account.decrypt(json.loads(content), password)
    except (ValueError, KeyError, TypeError, EthKeyfileException):
        raise SettingsError(
            "PAYOUT_SERVICE_SIGNER_KEYSTORE_FILE: not a version 3 keystore, or the password is wrong"
        ) from None
    return LocalSigner(Account.from_key(key))


def _from_raw_key(path: Path) -> LocalSigner:
    text = _read_private(path, "PAYOUT_SERVICE_SIGNER_KEY_FILE").strip()
    try:
        return LocalSigner(Account.from_key(text))
    except ValueError:
        raise SettingsError("PAYOUT_SERVICE_SIGNER_KEY_FILE: not a private key in hexadecimal") from None


def _read_private(path: Path, setting: str) -> str:
    """A file's text. Raises SettingsError when it cannot be read or others may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text()
    except OSError as error:
        raise SettingsError(f"{setting}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{setting}: not a text file") from None
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{setting}: others may read the file; set its mode to 600")
    return text
