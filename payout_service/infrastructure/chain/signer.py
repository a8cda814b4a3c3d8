"""Loads the signing keys, from encrypted keystores or (embedded chain only) raw, and signs.

Keys never leave this module.
"""

import json
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.types import TransactionDictType
from eth_keyfile.exceptions import EthKeyfileException
from eth_typing import HexStr

from libs.chain.address import EvmAddress
from libs.chain.quantities import Nonce
from libs.config import SettingsError
from libs.grpc_kit.accounts import checksummed
from payout_service.domain.fees import Fees
from payout_service.domain.transaction import ContractCall, SignedTransaction

_KEYSTORE_SETTING = "PAYOUT_SERVICE_SIGNER_KEYSTORE_FILE"
_PASSWORD_SETTING = "PAYOUT_SERVICE_SIGNER_PASSWORD_FILE"
_RAW_KEY_SETTING = "PAYOUT_SERVICE_SIGNER_KEY_FILE"
_EIP1559_TYPE = 2


class Signer(Protocol):
    """Signs for one account, with a key in memory or a custodian's service."""

    @property
    def address(self) -> EvmAddress:
        """The account's address."""
        ...

    async def sign(
        self, call: ContractCall, *, chain_id: int, nonce: Nonce, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """Signs a transaction without value for this chain alone: EIP-1559 or legacy (EIP-155), by its fees."""
        ...


class LocalSigner:
    """Signs with a key in memory. Its repr shows only the address, and it cannot be copied or pickled."""

    __slots__ = ("__account", "_address")

    def __init__(self, account: LocalAccount) -> None:
        self.__account = account
        self._address = EvmAddress(account.address.lower())

    @property
    def address(self) -> EvmAddress:
        return self._address

    def __repr__(self) -> str:
        return f"LocalSigner({self._address})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a signer holds a key: it is never copied or written anywhere")

    async def sign(
        self, call: ContractCall, *, chain_id: int, nonce: Nonce, gas_limit: int, fees: Fees
    ) -> SignedTransaction:
        """Signs; the same arguments give the same bytes (RFC 6979)."""
        transaction: TransactionDictType = {
            "chainId": chain_id,
            "nonce": nonce,
            "gas": gas_limit,
            "value": 0,
            "data": call.data,
        }
        if fees.max_priority_fee_per_gas_wei is None:
            transaction["gasPrice"] = fees.max_fee_per_gas_wei
        else:
            transaction["type"] = _EIP1559_TYPE
            transaction["maxFeePerGas"] = fees.max_fee_per_gas_wei
            transaction["maxPriorityFeePerGas"] = fees.max_priority_fee_per_gas_wei
        if call.to:
            transaction["to"] = HexStr(checksummed(call.to))
        signed = self.__account.sign_transaction(transaction)
        return SignedTransaction(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """The files with the keys: encrypted keystores and their passwords, or raw keys (embedded chain only)."""

    keystores: Sequence[Path] = ()
    # One for all keystores, or one for each in their order.
    passwords: Sequence[Path] = ()
    raw_keys: Sequence[Path] = ()


def load_signers(files: KeyFiles, *, is_devnet: bool) -> tuple[LocalSigner, ...]:
    """Loads the keys in the order of their files. There must be at least one, and no two of the same account.

    Raises SettingsError naming the setting, never a file's content.
    """
    if files.keystores and files.raw_keys:
        raise SettingsError(f"give {_KEYSTORE_SETTING} or _SIGNER_KEY_FILE, not both")
    if files.keystores:
        setting, accounts = _KEYSTORE_SETTING, _from_keystores(files.keystores, files.passwords)
    elif not files.raw_keys:
        raise SettingsError(f"{_KEYSTORE_SETTING} is required")
    elif not is_devnet:
        raise SettingsError(
            f"{_RAW_KEY_SETTING}: a raw key is for the embedded chain only; use an encrypted keystore"
        )
    else:
        setting, accounts = _RAW_KEY_SETTING, [_from_raw_key(path) for path in files.raw_keys]
    signers = tuple(LocalSigner(account) for account in accounts)
    if len({signer.address for signer in signers}) < len(signers):
        raise SettingsError(f"{setting}: two files hold the key of one account")
    return signers


def _from_keystores(keystores: Sequence[Path], password_files: Sequence[Path]) -> list[LocalAccount]:
    if not password_files:
        raise SettingsError(f"{_PASSWORD_SETTING} is required with a keystore")
    if len(password_files) not in (1, len(keystores)):
        raise SettingsError(f"{_PASSWORD_SETTING}: give one file, or as many as there are keystores")
    passwords = [_read_private(path, _PASSWORD_SETTING).rstrip("\r\n") for path in password_files]
    if len(passwords) == 1:
        passwords *= len(keystores)
    return [_from_keystore(path, password) for path, password in zip(keystores, passwords, strict=True)]


def _from_keystore(path: Path, password: str) -> LocalAccount:
    content = _read_private(path, _KEYSTORE_SETTING)
    try:
        return _account(bytes(Account.decrypt(json.loads(content), password)))
    except (ValueError, KeyError, TypeError, EthKeyfileException):
        # Raised below, outside: the library's error, which a log may follow, is not to stand behind ours.
        pass
    raise SettingsError(f"{_KEYSTORE_SETTING}: not a version 3 keystore, or the password is wrong")


def _from_raw_key(path: Path) -> LocalAccount:
    text = _read_private(path, _RAW_KEY_SETTING).strip()
    try:
        return _account(text)
    except ValueError:
        # As above.
        pass
    raise SettingsError(f"{_RAW_KEY_SETTING}: not a private key in hexadecimal")


def _account(key: bytes | str) -> LocalAccount:
    account: LocalAccount = Account.from_key(key)
    return account


def _read_private(path: Path, setting: str) -> str:
    """Returns a file's text. Raises SettingsError when it cannot be read, or when others may read it."""
    problem = ""
    try:
        mode = path.stat().st_mode
        if not stat.S_IMODE(mode) & 0o077:
            return path.read_text()
        problem = "others may read the file; set its mode to 600"
    except OSError as error:
        problem = str(error.strerror)
    except UnicodeDecodeError:
        # Its text would show what was read.
        problem = "not a text file"
    raise SettingsError(f"{setting}: {problem}")
