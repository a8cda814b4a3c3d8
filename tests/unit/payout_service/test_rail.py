"""Signers, rail and contracts' adapter against what a node may say; nothing here leaves this machine."""

import copy
import json
import pickle
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from libs.chain.address import EvmAddress
from libs.chain.quantities import BaseUnits, BlockNumber, HolderAddress, Nonce, Wei
from libs.config import SettingsError
from libs.errors import AppError
from libs.evm import interfaces
from libs.evm.rpc import RpcUnavailableError
from payout_service.application.ports.lifecycle_contract import CallKind, RecognisedCall
from payout_service.application.ports.rail import CallWouldRevertError, SeenTransaction
from payout_service.application.ports.sender import BroadcastAnswer
from payout_service.bootstrap import _files, _rail, _rpc
from payout_service.config import PayoutSettings
from payout_service.domain.fees import FeeQuote, Fees
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind
from payout_service.domain.transaction import ContractCall
from payout_service.infrastructure.chain.rail import EvmRail, FeeModel
from payout_service.infrastructure.chain.sender import EvmSender
from payout_service.infrastructure.chain.signer import KeyFiles, load_signers
from tests.support.payout.amounts import execution_of, money
from tests.support.payout.contracts import EvmContracts
from tests.unit.evm.canned import CannedRpc, error

KEYS = (
    "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
    "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291",
)
PASSWORDS = ("correct horse", "battery staple")
ACCOUNTS = [Account.from_key(key).address.lower() for key in KEYS]
CONTRACT, TOKEN, MONEY = (EvmAddress("0x" + byte * 20) for byte in ("c1", "a1", "b1"))
PAYEE = HolderAddress("0x" + "11" * 20)
CALL = ContractCall(CONTRACT, b"\x01\x02")
GWEI = 10**9

# ------------------------------------------------------------------------------------------------ signers


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def keystore_texts() -> list[str]:
    return [
        json.dumps(Account.encrypt(bytes.fromhex(key), password, kdf="pbkdf2", iterations=2))
        for key, password in zip(KEYS, PASSWORDS, strict=True)
    ]


@pytest.fixture
def files(tmp_path: Path, keystore_texts: list[str]) -> KeyFiles:
    """Two keystores with a password each."""
    return KeyFiles(
        [private(tmp_path / f"keystore{number}", text) for number, text in enumerate(keystore_texts)],
        [private(tmp_path / f"password{number}", text + "\n") for number, text in enumerate(PASSWORDS)],
    )


def one(files: KeyFiles) -> KeyFiles:
    """The first of the two."""
    return KeyFiles(files.keystores[:1], files.passwords[:1])


def assert_tells_no_secret(text: str) -> None:
    lower = text.lower()
    for key in KEYS:
        assert key not in lower
        assert str(int(key, 16)) not in lower
        assert repr(bytes.fromhex(key))[2:-1].lower() not in lower
    for password in PASSWORDS:
        assert password not in lower


async def test_keystores_are_opened_by_their_password_files_and_sign_for_their_own_accounts(
    files: KeyFiles,
) -> None:
    signers = load_signers(files, is_devnet=False)
    assert [str(signer.address) for signer in signers] == ACCOUNTS
    rail = EvmSender(CannedRpc(lambda call: {}), signers)
    for address in ACCOUNTS:
        arguments: dict[str, Any] = {"chain_id": 298, "nonce": 7, "gas_limit": 21_000}
        signed = await rail.sign(
            EvmAddress(address),
            CALL,
            **arguments,
            fees=Fees(max_fee_per_gas_wei=Wei(10), max_priority_fee_per_gas_wei=Wei(1)),
        )
        assert signed.raw[0] == 2, "EIP-1559"
        assert signed == await rail.sign(
            EvmAddress(address),
            CALL,
            **arguments,
            fees=Fees(max_fee_per_gas_wei=Wei(10), max_priority_fee_per_gas_wei=Wei(1)),
        )
        assert Account.recover_transaction(signed.raw).lower() == address
        legacy = await rail.sign(
            EvmAddress(address),
            CALL,
            **arguments,
            fees=Fees(max_fee_per_gas_wei=Wei(10), max_priority_fee_per_gas_wei=None),
        )
        assert legacy.raw[0] >= 0xC0, "a list: no type before it"
        assert Account.recover_transaction(legacy.raw).lower() == address
        other_chain = await rail.sign(
            EvmAddress(address),
            CALL,
            **(arguments | {"chain_id": 299}),
            fees=Fees(max_fee_per_gas_wei=Wei(10), max_priority_fee_per_gas_wei=None),
        )
        assert other_chain != legacy, "EIP-155"
    with pytest.raises(ValueError, match="no key for"):
        await rail.sign(
            CONTRACT,
            CALL,
            chain_id=1,
            nonce=Nonce(0),
            gas_limit=1,
            fees=Fees(max_fee_per_gas_wei=Wei(1), max_priority_fee_per_gas_wei=Wei(1)),
        )


def test_one_password_may_serve_all_keystores(tmp_path: Path) -> None:
    keystores = [
        private(
            tmp_path / str(number),
            json.dumps(Account.encrypt(bytes.fromhex(key), PASSWORDS[0], kdf="pbkdf2", iterations=2)),
        )
        for number, key in enumerate(KEYS)
    ]
    signers = load_signers(KeyFiles(keystores, [private(tmp_path / "p", PASSWORDS[0])]), is_devnet=False)
    assert [str(signer.address) for signer in signers] == ACCOUNTS


def test_a_signer_shows_its_address_and_nothing_else(files: KeyFiles) -> None:
    signers = load_signers(files, is_devnet=False)
    rail = EvmSender(CannedRpc(lambda call: {}), signers)
    signer = signers[0]
    assert repr(signer) == str(signer) == f"LocalSigner({ACCOUNTS[0]})"
    assert not hasattr(signer, "__dict__")
    shown = [repr(getattr(signer, name)) for name in dir(signer) if not name.startswith("__")]
    shown += [repr(signers), repr(vars(rail)), f"{signer}"]
    assert_tells_no_secret(" ".join(shown))


def test_a_signer_is_never_copied_or_pickled(files: KeyFiles) -> None:
    signers = load_signers(one(files), is_devnet=False)
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never copied"):
            way(signers[0])
        if way is not copy.copy:
            with pytest.raises(TypeError, match="never copied"):
                way(signers)


def _in(place: str, text: str) -> Callable[[KeyFiles], KeyFiles]:
    """Something else in the first keystore or password file."""

    def change(files: KeyFiles) -> KeyFiles:
        private(getattr(files, place)[0], text)
        return files

    return change


def _mode(place: str, mode: int) -> Callable[[KeyFiles], KeyFiles]:
    def change(files: KeyFiles) -> KeyFiles:
        getattr(files, place)[0].chmod(mode)
        return files

    return change


def _not_text(files: KeyFiles) -> KeyFiles:
    files.passwords[0].write_bytes(b"\xff" + PASSWORDS[0].encode())
    return files


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (_in("passwords", PASSWORDS[1]), "KEYSTORE_FILE: not a version 3 keystore, or the password is wrong"),
        (_mode("keystores", 0o644), "KEYSTORE_FILE: others may read"),
        (_mode("passwords", 0o640), "PASSWORD_FILE: others may read"),
        (_not_text, "PASSWORD_FILE: not a text file"),
        (lambda files: replace(files, passwords=()), "PASSWORD_FILE is required"),
        (
            lambda files: replace(files, keystores=[*files.keystores, files.keystores[0]]),
            "PASSWORD_FILE: give one",
        ),
        (
            lambda files: replace(files, passwords=[*files.passwords, files.passwords[0]]),
            "PASSWORD_FILE: give one",
        ),
        (lambda files: replace(files, raw_keys=files.keystores), "not both"),
        (lambda files: KeyFiles(), "KEYSTORE_FILE is required"),
        (lambda files: replace(files, keystores=[Path("/nowhere")] * 2), "KEYSTORE_FILE: No such file"),
        (
            lambda files: KeyFiles([files.keystores[0]] * 2, files.passwords[:1]),
            "KEYSTORE_FILE: two files hold the key of one account",
        ),
        (_in("keystores", KEYS[0]), "KEYSTORE_FILE"),
        (_in("keystores", "[]"), "KEYSTORE_FILE"),
        (_in("keystores", "{}"), "KEYSTORE_FILE"),
        (_in("keystores", '{"version": 1}'), "KEYSTORE_FILE"),
        (_in("keystores", '{"version": 3, "crypto": {"kdf": "none"}}'), "KEYSTORE_FILE"),
        (_in("keystores", '{"version": 3, "crypto": 3}'), "KEYSTORE_FILE"),
    ],
)
def test_a_key_that_cannot_be_read_names_the_setting_and_nothing_else(
    files: KeyFiles, change: Callable[[KeyFiles], KeyFiles], setting: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_signers(change(files), is_devnet=True)
    assert setting in str(caught.value)
    assert_tells_no_secret("".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "a log that follows it finds the library's words"


def test_raw_keys_are_for_the_embedded_chain_only(tmp_path: Path) -> None:
    raw = KeyFiles(raw_keys=[private(tmp_path / key[:4], f"0x{key}\n") for key in KEYS])
    assert [str(signer.address) for signer in load_signers(raw, is_devnet=True)] == ACCOUNTS
    with pytest.raises(SettingsError, match="SIGNER_KEY_FILE: a raw key is for the embedded chain only"):
        load_signers(raw, is_devnet=False)
    with pytest.raises(SettingsError, match="SIGNER_KEY_FILE: two files hold the key of one account"):
        load_signers(KeyFiles(raw_keys=[raw.raw_keys[0]] * 2), is_devnet=True)
    raw.raw_keys[1].chmod(0o604)
    with pytest.raises(SettingsError, match="SIGNER_KEY_FILE: others may read"):
        load_signers(raw, is_devnet=True)


@pytest.mark.parametrize("text", ["", "0x12", KEYS[0] + "00", "0x" + "0" * 64, "zz" * 32, "f" * 64])
def test_a_wrong_raw_key_is_not_shown(tmp_path: Path, text: str) -> None:
    raw = KeyFiles(raw_keys=[private(tmp_path / "key", text)])
    with pytest.raises(SettingsError) as caught:
        load_signers(raw, is_devnet=True)
    assert str(caught.value) == "PAYOUT_SERVICE_SIGNER_KEY_FILE: not a private key in hexadecimal"
    assert caught.value.__context__ is None


# ------------------------------------------------------------------------------------------------ settings


def settings(**values: object) -> PayoutSettings:
    required = {
        "database_url": "postgresql://unused",
        "nats_url": "nats://unused",
        "listen_address": "unused:1",
        "rpc_url": "http://unused",
        "chain_id": 298,
    }
    return PayoutSettings.model_validate(required | values)


def in_flight_confirmations_batch(made: PayoutSettings) -> tuple[int, int, int]:
    return made.max_in_flight_transactions, made.confirmations, made.rpc_batch_size


def test_a_relay_has_defaults_of_its_own_and_what_is_set_stays() -> None:
    assert in_flight_confirmations_batch(settings()) == (4, 2, 100)
    assert in_flight_confirmations_batch(settings(rail="hedera_relay")) == (1, 0, 1)
    relay = settings(rail="hedera_relay")
    # The calls of one page fit into the longest wait for the relay's limit, and the wait into the lease.
    assert relay.plan_page_size * 60 / relay.relay_tier_1_per_minute < relay.relay_longest_wait_seconds
    assert relay.relay_longest_wait_seconds < relay.lease_seconds
    explicit = settings(rail="hedera_relay", max_in_flight_transactions=3, confirmations=2, rpc_batch_size=20)
    assert in_flight_confirmations_batch(explicit) == (3, 2, 20)


def test_the_environment_chooses_the_rail(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "NATS_URL", "LISTEN_ADDRESS", "RPC_URL"):
        monkeypatch.setenv(f"PAYOUT_SERVICE_{name}", "unused")
    monkeypatch.setenv("PAYOUT_SERVICE_CHAIN_ID", "298")
    monkeypatch.setenv("PAYOUT_SERVICE_RAIL", "hedera_relay")
    monkeypatch.setenv("PAYOUT_SERVICE_CONFIRMATIONS", "5")
    assert in_flight_confirmations_batch(PayoutSettings.load()) == (1, 5, 1)
    monkeypatch.setenv("PAYOUT_SERVICE_RAIL", "hapi")
    with pytest.raises(SettingsError, match="PAYOUT_SERVICE_RAIL") as caught:
        PayoutSettings.load()
    assert "'hapi'" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "model", "is_paced"),
    [
        ({}, FeeModel.BLOCK_BASE_FEE, False),
        ({"legacy_transactions": True}, FeeModel.LEGACY, False),
        ({"rail": "hedera_relay"}, FeeModel.NODE_GAS_PRICE, True),
        ({"rail": "hedera_relay", "legacy_transactions": True}, FeeModel.LEGACY, True),
    ],
)
def test_rail_and_pacing_follow_the_settings(values: dict[str, object], model: FeeModel, is_paced: bool) -> None:
    made = settings(**values, relay_tier_1_per_minute=50)
    rpc = _rpc(made)
    assert (rpc._pacing is not None) is is_paced
    if rpc._pacing is not None:
        assert [rpc._pacing.most_at_once(method) for method in ("eth_call", "eth_getCode", "net_version")] == [
            5,
            80,
            160,
        ]
    assert _rail(made, rpc)._fee_model is model


def test_files_are_separated_by_commas() -> None:
    assert _files("") == ()
    assert _files("/a/b") == (Path("/a/b"),)
    assert _files("/a, /b,") == (Path("/a"), Path("/b"))


# ------------------------------------------------------------------------------------------------ rail


def node(**answers: object) -> CannedRpc:
    """A node that answers each method with a result, an error or what a function of the parameters gives."""

    def answer(call: dict[str, Any]) -> dict[str, Any]:
        told = answers.get(call["method"], error(-32601, "the method does not exist"))
        if callable(told):
            told = told(*call["params"])
        return told if isinstance(told, dict) and "error" in told else {"result": told}

    return CannedRpc(answer)


def block(number: int = 5, base_fee: int | None = None, **more: object) -> dict[str, object]:
    fee = {} if base_fee is None else {"baseFeePerGas": hex(base_fee)}
    header = {"number": hex(number), "hash": "0xAB", "parentHash": "0xaa", "timestamp": "0x1"}
    return {**header, **fee, **more}


@pytest.mark.parametrize(
    ("advised", "tip"),
    [
        (hex(3 * GWEI), 3 * GWEI),
        ("0x0", 1),
        (hex(10**15), 100 * GWEI),
        (error(-32601, "the method does not exist"), GWEI),
    ],
)
async def test_the_quote_is_the_base_fee_and_the_advised_tip_within_bounds(advised: object, tip: int) -> None:
    rail = EvmRail(node(eth_getBlockByNumber=block(base_fee=7), eth_maxPriorityFeePerGas=advised))
    assert await rail.fee_quote() == FeeQuote(Wei(7 + tip), base_fee_wei=Wei(7), priority_fee_wei=Wei(tip))


@pytest.mark.parametrize(
    ("model", "base_fee", "expected"),
    [
        (FeeModel.BLOCK_BASE_FEE, None, FeeQuote(Wei(9))),
        (FeeModel.NODE_GAS_PRICE, None, FeeQuote(Wei(9))),
        (FeeModel.LEGACY, 7, FeeQuote(Wei(9))),
        (FeeModel.LEGACY, None, FeeQuote(Wei(9))),
        # A relay's blocks tell what was paid in them, or 0, and it refuses less than its own price.
        (FeeModel.NODE_GAS_PRICE, 7, FeeQuote(Wei(11), base_fee_wei=Wei(9), priority_fee_wei=Wei(2))),
        (FeeModel.NODE_GAS_PRICE, 0, FeeQuote(Wei(11), base_fee_wei=Wei(9), priority_fee_wei=Wei(2))),
        (FeeModel.BLOCK_BASE_FEE, 0, FeeQuote(Wei(11), base_fee_wei=Wei(9), priority_fee_wei=Wei(2))),
        (FeeModel.BLOCK_BASE_FEE, 7, FeeQuote(Wei(9), base_fee_wei=Wei(7), priority_fee_wei=Wei(2))),
    ],
)
async def test_where_the_price_is_read(model: FeeModel, base_fee: int | None, expected: FeeQuote) -> None:
    rpc = node(eth_getBlockByNumber=block(base_fee=base_fee), eth_maxPriorityFeePerGas="0x2", eth_gasPrice="0x9")
    assert await EvmRail(rpc, fee_model=model).fee_quote() == expected


async def test_a_node_that_tells_no_price_is_unavailable() -> None:
    with pytest.raises(RpcUnavailableError, match="eth_gasPrice"):
        await EvmRail(node(eth_getBlockByNumber=block())).fee_quote()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("already known", BroadcastAnswer.ALREADY_KNOWN),
        ("AlreadyKnown", BroadcastAnswer.ALREADY_KNOWN),
        ("Known transaction", BroadcastAnswer.ALREADY_KNOWN),
        ("transaction already imported", BroadcastAnswer.ALREADY_KNOWN),
        ("INTERNAL_ERROR: already known", BroadcastAnswer.ALREADY_KNOWN),
        ("unknown transaction type", BroadcastAnswer.NOT_TAKEN),
        ("nonce too low: next nonce 5, tx nonce 3", BroadcastAnswer.NONCE_USED),
        ("Nonce too low. Provided nonce: 3, current nonce: 5", BroadcastAnswer.NONCE_USED),
        ("OldNonce, Current nonce: 5, nonce of rejected tx: 3", BroadcastAnswer.NONCE_USED),
        ("INTERNAL_ERROR: nonce too low", BroadcastAnswer.NONCE_USED),
        ("Nonce too high. Provided nonce: 9, current nonce: 5", BroadcastAnswer.NONCE_GAP),
        ("nonce too high: tx nonce 9, gapped nonce 5", BroadcastAnswer.NONCE_GAP),
        ("Transaction nonce is too distant from current sender nonce", BroadcastAnswer.NONCE_GAP),
        ("NonceGap", BroadcastAnswer.NONCE_GAP),
        ("gapped-nonce tx from delegated accounts", BroadcastAnswer.NONCE_GAP),
        ("future transaction tries to replace pending", BroadcastAnswer.NONCE_GAP),
        ("transaction failed precheck with status WRONG_NONCE", BroadcastAnswer.NONCE_GAP),
        ("replacement transaction underpriced", BroadcastAnswer.FEE_TOO_LOW),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", BroadcastAnswer.FEE_TOO_LOW),
        ("INTERNAL_ERROR: could not replace existing tx", BroadcastAnswer.FEE_TOO_LOW),
        ("ReplacementNotAllowed", BroadcastAnswer.FEE_TOO_LOW),
        ("OwnNonceAlreadyUsed", BroadcastAnswer.FEE_TOO_LOW),
        ("FeeTooLowToCompete", BroadcastAnswer.FEE_TOO_LOW),
        ("max fee per gas less than block base fee: address 0x, maxFeePerGas: 1", BroadcastAnswer.FEE_TOO_LOW),
        ("fee cap less than block base fee", BroadcastAnswer.FEE_TOO_LOW),
        ("Gas price below current base fee", BroadcastAnswer.FEE_TOO_LOW),
        ("Gas price '1' is below configured minimum gas price '2'", BroadcastAnswer.FEE_TOO_LOW),
        ("exceeds block gas limit", BroadcastAnswer.NEVER_FITS),
        ("Transaction gas limit exceeds block gas limit", BroadcastAnswer.NEVER_FITS),
        ("transaction gas limit too high (cap: 16777216, tx: 30000000)", BroadcastAnswer.NEVER_FITS),
        ("Transaction gas limit '20000000' exceeds max gas per sec limit '15000000'", BroadcastAnswer.NEVER_FITS),
        ("intrinsic gas too low: gas 21000, minimum needed 53000", BroadcastAnswer.NEVER_FITS),
        ("Intrinsic gas exceeds gas limit", BroadcastAnswer.NEVER_FITS),
        (
            "Transaction gas limit provided '1' is insufficient of intrinsic gas required '2'",
            BroadcastAnswer.NEVER_FITS,
        ),
        ("insufficient gas for floor data gas cost: gas 1, minimum needed 2", BroadcastAnswer.NEVER_FITS),
        ("oversized data: transaction size 200000, limit 131072", BroadcastAnswer.NEVER_FITS),
        ("insufficient funds for gas * price + value: balance 0", BroadcastAnswer.NOT_TAKEN),
        ("Insufficient funds for transfer", BroadcastAnswer.NOT_TAKEN),
        ("txpool is full", BroadcastAnswer.NOT_TAKEN),
        ("account limit exceeded", BroadcastAnswer.NOT_TAKEN),
        ("something that no node said before", BroadcastAnswer.NOT_TAKEN),
        ("", BroadcastAnswer.NOT_TAKEN),
    ],
)
async def test_nodes_words_are_understood(words: str, answer: BroadcastAnswer) -> None:
    result = await EvmSender(node(eth_sendRawTransaction=error(-32000, words)), []).broadcast(b"\x02")
    assert result.answer is answer
    assert result.message == words


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 70))
async def test_the_block_that_used_a_nonce_is_found_with_few_questions(sent: list[int], nonce: int) -> None:
    """`sent` is how many transactions of the signer each block holds."""
    counts = [sum(sent[: number + 1]) for number in range(len(sent))]
    hashes = {used: f"0x{used:064x}" for used in range(counts[-1])}
    asked: list[int] = []

    def count(account: str, tag: str) -> str:
        assert account == ACCOUNTS[0]
        asked.append(int(tag, 16))
        return hex(counts[int(tag, 16)])

    def get_block(tag: str, is_full: bool) -> dict[str, object]:
        if tag == "latest":
            return block(len(sent) - 1)
        number = int(tag, 16)
        assert is_full
        foreign = {"from": PAYEE, "nonce": hex(nonce), "hash": "0xf0"}
        own = [
            {"from": ACCOUNTS[0].upper().replace("X", "x"), "nonce": hex(used), "hash": hashes[used].upper()}
            | {"to": str(CONTRACT), "input": f"0x{used:02x}"}
            for used in range(counts[number] - sent[number], counts[number])
        ]
        return block(number, transactions=[foreign, *own])

    def receipt(transaction_hash: str) -> dict[str, object]:
        used = next(used for used, each in hashes.items() if each == transaction_hash)
        number = next(number for number, total in enumerate(counts) if total > used)
        place = {"transactionHash": transaction_hash, "blockNumber": hex(number), "blockHash": "0xAB"}
        return {**place, "status": hex(used % 2), "gasUsed": hex(used)}

    rpc = node(eth_getTransactionCount=count, eth_getBlockByNumber=get_block, eth_getTransactionReceipt=receipt)
    found = await EvmRail(rpc).transaction_with_nonce(EvmAddress(ACCOUNTS[0]), Nonce(nonce))
    if nonce >= counts[-1]:
        assert found is None
    else:
        number = next(number for number, total in enumerate(counts) if total > nonce)
        call = ContractCall(CONTRACT, bytes([nonce]))
        second = datetime.fromtimestamp(1, UTC)
        assert found == SeenTransaction(
            hashes[nonce], BlockNumber(number), "0xab", second, nonce, nonce % 2 == 1, call
        )
        age = len(sent) - 1 - number
        assert min(asked) >= len(sent) - 1 - 2 * (age + 1), "no older state than twice the age"
    assert len(asked) <= 2 + 2 * len(sent).bit_length()


async def test_a_node_without_old_state_is_named() -> None:
    refusal = error(-32000, "missing trie node 0xabc")
    rpc = node(
        eth_getBlockByNumber=block(99),
        eth_getTransactionCount=lambda account, tag: "0x9" if int(tag, 16) > 50 else refusal,
    )
    with pytest.raises(RpcUnavailableError, match=r"archive node.*missing trie node"):
        await EvmRail(rpc).transaction_with_nonce(EvmAddress(ACCOUNTS[0]), Nonce(3))


@pytest.mark.parametrize(
    "transactions", [[], [{"from": PAYEE, "nonce": "0x0", "hash": "0x1"}], None, ["0xhash"], [{"nonce": "0x0"}]]
)
async def test_a_block_that_lacks_the_transaction_makes_the_node_unavailable(transactions: object) -> None:
    rpc = node(eth_getBlockByNumber=block(0, transactions=transactions), eth_getTransactionCount="0x1")
    with pytest.raises(RpcUnavailableError):
        await EvmRail(rpc).transaction_with_nonce(EvmAddress(ACCOUNTS[0]), Nonce(0))


async def test_the_chains_identity_is_asked_for_again_after_some_seconds() -> None:
    now = [100.0]
    rpc = node(eth_chainId="0x12a", eth_getBlockByNumber=block(0))
    rail = EvmRail(rpc, monotonic=lambda: now[0])
    for seconds, questions in [(0.0, 2), (1.9, 2), (2.0, 4), (3.9, 4), (4.0, 6)]:
        now[0] = 100 + seconds
        assert (await rail.chain_id(), await rail.genesis_hash()) == (298, "0xab")
        assert len(rpc.posts) == questions


async def test_an_error_is_never_reused_as_the_chains_identity() -> None:
    answers = [{"error": {"code": -32000, "message": "no"}}, "0x12a"]
    rail = EvmRail(node(eth_chainId=lambda: answers.pop(0), eth_getBlockByNumber=None), monotonic=lambda: 0.0)
    with pytest.raises(Exception, match="no"):
        await rail.chain_id()
    assert await rail.chain_id() == 298
    with pytest.raises(AppError, match="block 0"):
        await rail.genesis_hash()


@pytest.mark.parametrize("missing", ["status", "transactionHash", "blockNumber", "blockHash", "gasUsed"])
async def test_a_malformed_receipt_makes_the_node_unavailable(missing: str) -> None:
    receipt = {
        "status": "0x1",
        "transactionHash": "0x1",
        "blockNumber": "0x1",
        "blockHash": "0x1",
        "gasUsed": "0x1",
    }
    del receipt[missing]
    with pytest.raises(RpcUnavailableError):
        await EvmRail(node(eth_getTransactionReceipt=receipt)).find_receipt("0x1")


# ------------------------------------------------------------------------------------------------ contracts

contracts = EvmContracts(node())
PAYEES = [PAYEE, HolderAddress("0x" + "22" * 20)]


def paying(kind: ExecutionKind, reference_id: int = 0, total_base_units: int = 0) -> Execution:
    return execution_of(kind, reference_id, total_base_units, tuple(PAYEES))


SHARES = paying(ExecutionKind.AMOUNT_SNAPSHOT, 7, 1_000)
EXECUTIONS = [SHARES, paying(ExecutionKind.DISTRIBUTION, 3), paying(ExecutionKind.CASH_OUT)]


@pytest.mark.parametrize(
    ("execution", "selector"), list(zip(EXECUTIONS, ["4e176347", "417dc389", "919ab357"], strict=True))
)
def test_our_own_batches_are_recognised(execution: Execution, selector: str) -> None:
    batch = contracts.pay_batch(CONTRACT, TOKEN, execution)
    assert (batch.to, batch.data[:4].hex()) == (CONTRACT, selector)
    assert contracts.recognise(batch) == RecognisedCall(CallKind.PAY_BATCH, execution)


def test_our_own_calls_are_recognised() -> None:
    assert contracts.recognise(contracts.take_snapshot(TOKEN)) == RecognisedCall(CallKind.TAKE_SNAPSHOT)
    triggering = contracts.trigger_snapshots(TOKEN)
    assert (triggering.to, triggering.data.hex()) == (TOKEN, "32194dbb")
    assert contracts.recognise(triggering) == RecognisedCall(CallKind.TRIGGER_SNAPSHOTS)
    sweep = contracts.sweep(CONTRACT, MONEY, BaseUnits(5))
    assert contracts.recognise(sweep) == RecognisedCall(
        CallKind.SWEEP, sweep_to=str(MONEY), sweep_base_units=BaseUnits(5)
    )
    assert sweep.to == CONTRACT
    assert sweep.data.hex() == "609efbe5" + encode(["address", "uint256"], [str(MONEY), 5]).hex()


BATCHES = [contracts.pay_batch(CONTRACT, TOKEN, execution).data for execution in EXECUTIONS]
BATCH = BATCHES[0]


@pytest.mark.parametrize(
    "call",
    [
        ContractCall(CONTRACT, b""),
        ContractCall(CONTRACT, b"\x01\x02\x03"),
        ContractCall(CONTRACT, keccak(text="executeBondCashOut(address,uint256,uint256)")[:4]),
        ContractCall(CONTRACT, BATCH[:-1]),
        ContractCall(CONTRACT, BATCH[:4]),
        # The length of the list says more than there is.
        ContractCall(CONTRACT, BATCH.replace((2).to_bytes(32, "big"), (2**255).to_bytes(32, "big"))),
        ContractCall(CONTRACT, BATCH[:4] + b"\xff" * (len(BATCH) - 4)),
        ContractCall(CONTRACT, contracts.sweep(CONTRACT, MONEY, BaseUnits(5)).data[:-1]),
        # A creation, whatever its code begins with.
        ContractCall(None, BATCH),
    ],
)
def test_anything_else_is_other(call: ContractCall) -> None:
    assert contracts.recognise(call) == RecognisedCall(CallKind.OTHER)


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_that_is_cut_off_is_other(batch: bytes) -> None:
    assert contracts.recognise(ContractCall(CONTRACT, batch[:-1])) == RecognisedCall(CallKind.OTHER)


@given(st.sampled_from(BATCHES), st.binary(max_size=300))
def test_no_data_breaks_recognition(batch: bytes, data: bytes) -> None:
    contracts.recognise(ContractCall(CONTRACT, batch[:4] + data))


def reverted(signature: str, types: Sequence[str] = (), values: Sequence[object] = ()) -> dict[str, Any]:
    data = keccak(text=signature)[:4] + encode(types, values)
    return error(3, "execution reverted", "0x" + data.hex())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("0x" + encode(["bool"], [True]).hex(), ""),
        ("0x", ""),
        ("0x" + encode(["bool"], [False]).hex(), "the token's transfer answered false"),
        (
            reverted("Error(string)", ["string"], ["Blacklistable: account is blacklisted"]),
            "Error(Blacklistable: account is blacklisted)",
        ),
        (reverted("AccountBlacklisted(address)", ["address"], [PAYEE]), f"AccountBlacklisted({PAYEE})"),
        (reverted("ERC20InvalidReceiver(address)", ["address"], [PAYEE]), f"ERC20InvalidReceiver({PAYEE})"),
        (reverted("EnforcedPause()"), "EnforcedPause()"),
        (reverted("Odd()"), "custom error 0x" + keccak(text="Odd()")[:4].hex()),
        (error(3, "execution reverted: Blacklistable"), "execution reverted: Blacklistable"),
        (error(-32000, "invalid opcode"), "invalid opcode"),
    ],
)
async def test_why_a_token_refuses_a_payee(answer: object, why: str) -> None:
    def eth_call(call: dict[str, str], tag: str) -> object:
        if call["data"].startswith("0x70a08231"):
            return "0x" + encode(["uint256"], [1]).hex()
        transfer = keccak(text="transfer(address,uint256)")[:4] + encode(["address", "uint256"], [PAYEE, 9])
        assert call == {"from": str(CONTRACT), "to": str(MONEY), "data": "0x" + transfer.hex()}
        return answer

    assert await EvmContracts(node(eth_call=eth_call)).why_refused(CONTRACT, MONEY, PAYEE, BaseUnits(9)) == why


async def test_a_node_that_simulates_nothing_blames_no_payee() -> None:
    limited = EvmContracts(node(eth_call=error(-32005, "limit exceeded")))
    with pytest.raises(RpcUnavailableError, match="limit exceeded"):
        await limited.why_refused(CONTRACT, MONEY, PAYEE, BaseUnits(9))


@pytest.mark.parametrize("held", [interfaces.PAYOUT_ROLE, interfaces.CASHOUT_ROLE, interfaces.TRANSFERER_ROLE])
async def test_roles_are_asked_for_by_their_hash(held: bytes) -> None:
    def eth_call(call: dict[str, str], tag: str) -> str:
        return "0x" + encode(["bool"], [held.hex() in call["data"]]).hex()

    adapter = EvmContracts(node(eth_call=eth_call))
    assert await adapter.holds_payout_role(CONTRACT, TOKEN) is (held == interfaces.PAYOUT_ROLE)
    assert await adapter.holds_cash_out_role(CONTRACT, TOKEN) is (held == interfaces.CASHOUT_ROLE)
    assert await adapter.holds_transferer_role(CONTRACT, TOKEN) is (held == interfaces.TRANSFERER_ROLE)


class Logs:
    """A node that has logs, and serves at most so many blocks at once."""

    def __init__(
        self, most_blocks: int, entries: Sequence[dict[str, object]] = (), crowded_block: int = -1
    ) -> None:
        self.requests = 0
        self.windows: list[tuple[int, int]] = []
        self.asked: list[tuple[str, object]] = []
        self._most_blocks = most_blocks
        self._entries = entries
        self._crowded_block = crowded_block

    @property
    def contracts(self) -> EvmContracts:
        return EvmContracts(node(eth_getLogs=self._answer))

    def _answer(self, asked: dict[str, Any]) -> object:
        start, end = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        self.requests += 1
        if end - start + 1 > self._most_blocks or start <= self._crowded_block <= end > start:
            return error(-32000, f"Exceeded maximum block range: {self._most_blocks}")
        self.windows.append((start, end))
        self.asked.append((asked["address"], asked["topics"]))
        return [entry for entry in self._entries if start <= int(str(entry["blockNumber"]), 16) <= end]


def log(address: EvmAddress, topics: Sequence[bytes], data: bytes, number: int) -> dict[str, object]:
    return {
        "address": str(address),
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockNumber": hex(number),
        "blockHash": "0xb",
        "transactionHash": f"0x{number:064x}",
        "logIndex": "0x0",
    }


@given(st.integers(1, 2_500), st.integers(0, 50), st.integers(0, 6_000))
async def test_windows_cover_a_range_once_and_keep_to_the_nodes_limit(most: int, start: int, size: int) -> None:
    logs = Logs(most)
    await logs.contracts.executions(
        CONTRACT, from_block=BlockNumber(start), to_block=BlockNumber(start + size - 1)
    )
    covered = [number for first, last in logs.windows for number in range(first, last + 1)]
    assert covered == list(range(start, start + size))
    assert all(last - first < 1_000 for first, last in logs.windows)
    assert logs.requests <= 12 + 2 * len(logs.windows), "a window that is refused is halved"


async def test_windows_grow_again_behind_a_crowded_block() -> None:
    """Nodes refuse by the number of logs too."""
    logs = Logs(10_000, crowded_block=700)
    await logs.contracts.executions(CONTRACT, from_block=BlockNumber(1), to_block=BlockNumber(6_000))
    assert (700, 700) in logs.windows
    assert logs.windows[-1] == (logs.windows[-1][0], 6_000)
    assert max(last - first + 1 for first, last in logs.windows if first > 700) == 1_000
    assert len(logs.windows) < 40


async def test_a_node_that_refuses_a_single_block_is_unavailable() -> None:
    with pytest.raises(RpcUnavailableError, match="logs of block 3"):
        await Logs(0).contracts.executions(CONTRACT, from_block=BlockNumber(3), to_block=BlockNumber(9))


async def test_executions_are_read_with_their_transactions() -> None:
    event = interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED
    zero = "0x" + "00" * 20
    values = [7, PAYEES, 1_000, [PAYEES[0], zero], [PAYEES[1], zero], [400, 0]]
    data = encode(event.inputs, values)
    entries = [
        log(CONTRACT, [event.topic], data, 2_500),
        log(CONTRACT, [event.topic], b"\x01", 3),
        log(CONTRACT, [event.topic], data, 4),
    ]
    logs = Logs(1_000, entries)
    found = await logs.contracts.executions(CONTRACT, from_block=BlockNumber(0), to_block=BlockNumber(3_000))
    execution = ExecutionEvent(SHARES, (PAYEES[0],), money({PAYEES[1]: 400}))
    assert [(each.block_number, each.transaction_hash, each.event) for each in found] == [
        (number, f"0x{number:064x}", execution) for number in (4, 2_500)
    ]
    topics = [
        "50d91f96b75116519a8eb8382688ac6b0887fca263390711160d695c9dc84ef9",
        "aa9e81a5e4fb3778173f6fb4a4637f4f500fdfbbee1d5d988443e7c5142a197c",
        "636825ecd9ea837171a3c30d7ee940df8d025bb18267e38405dd743baef8ae4d",
    ]
    assert logs.asked[0] == (str(CONTRACT), [["0x" + topic for topic in topics]]), "any of the three events"


async def test_transfers_are_asked_for_by_their_sender() -> None:
    def padded(address: str) -> bytes:
        return encode(["address"], [address])

    topics = [interfaces.TRANSFER.topic, padded(str(CONTRACT)), padded(PAYEE)]
    amount = encode(["uint256"], [2**255])
    # The second is an NFT's: its amount is indexed.
    logs = Logs(1_000, [log(MONEY, topics, amount, 8), log(MONEY, [*topics, amount], b"", 9)])
    (found,) = await logs.contracts.outgoing_transfers(
        MONEY, CONTRACT, from_block=BlockNumber(1), to_block=BlockNumber(20)
    )
    assert (found.to, found.amount_base_units, found.block_number) == (PAYEE, 2**255, 8)
    assert found.transaction_hash == f"0x{8:064x}"
    assert logs.asked == [(str(MONEY), ["0x" + each.hex() for each in topics[:2]])]


@pytest.mark.parametrize(
    ("answer", "reason", "is_by_pause"),
    [
        (reverted("LifeCycleCashFlowIsPaused()"), "LifeCycleCashFlowIsPaused()", True),
        (reverted("LifeCycleCashFlowIsUnpaused()"), "LifeCycleCashFlowIsUnpaused()", False),
        (reverted("TokenIsPaused()"), "TokenIsPaused()", False),
        (error(3, "execution reverted"), "reverted without a reason", False),
        (error(-32000, "gas required exceeds allowance"), "gas required exceeds allowance", False),
    ],
)
async def test_a_call_that_would_revert_tells_whether_the_contract_is_paused(
    answer: object, reason: str, is_by_pause: bool
) -> None:
    with pytest.raises(CallWouldRevertError) as caught:
        await EvmRail(node(eth_estimateGas=answer)).estimate_gas(
            EvmAddress(ACCOUNTS[0]), ContractCall(CONTRACT, b"")
        )
    assert (caught.value.reason, caught.value.is_by_pause) == (reason, is_by_pause)
