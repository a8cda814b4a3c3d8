"""Reading contracts: layouts of versions 7 and 8 of the asset, evidence in receipts; without a socket."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from libs.chain.address import EvmAddress
from libs.chain.quantities import BlockNumber, HolderAddress, SnapshotId
from libs.errors import AppError, Reason
from libs.evm import interfaces
from libs.evm.abi import Function
from libs.evm.rpc import JsonRpc, Log, RpcUnavailableError
from libs.payout_terms.terms import PayoutKind
from payout_service.application.ports.security_token import CorporateAction, EntitlementSource
from payout_service.domain.settlement import Execution, ExecutionEvent, ExecutionKind
from payout_service.infrastructure.chain.executions import execution_event
from tests.support.payout.amounts import entitlement, execution_of, money
from tests.support.payout.contracts import EvmContracts
from tests.support.payout.memory_chain import CONTRACT, PAYMENT_TOKEN, TOKEN, holder

NOBODY = "0x" + "00" * 20
A, B, C = holder(0), holder(1), holder(2)
SHARES = interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED
DISTRIBUTION = interfaces.DISTRIBUTION_BY_ADDRESSES_EXECUTED
CASH_OUT = interfaces.CASH_OUT_BY_ADDRESSES_EXECUTED

# ------------------------------------------------------------------------------------ receipts


class CannedReceipt(JsonRpc):
    """A node that answers with one receipt."""

    def __init__(self, logs: Sequence[dict[str, object]]) -> None:
        super().__init__("http://nowhere")
        self._logs = logs

    async def request(self, method: str, *parameters: object) -> object:
        return {"logs": self._logs}


def log(address: EvmAddress, topics: Sequence[bytes], data: bytes) -> dict[str, object]:
    return {
        "address": str(address),
        "topics": ["0x" + topic.hex() for topic in topics],
        "data": "0x" + data.hex(),
        "blockNumber": "0x1",
        "blockHash": "0xb",
        "transactionHash": "0xt",
        "logIndex": "0x0",
    }


def transfer(token: EvmAddress, sender: str, receiver: str, amount: int) -> dict[str, object]:
    topics = [interfaces.TRANSFER.topic, encode(["address"], [sender]), encode(["address"], [receiver])]
    return log(token, topics, encode(["uint256"], [amount]))


def redemption(token: EvmAddress, holder: HolderAddress, amount: int, partition: int = 1) -> dict[str, object]:
    """RedeemedByPartition; the operator is the lifecycle contract."""
    topics = [
        interfaces.REDEEMED_BY_PARTITION.topic,
        encode(["uint256"], [partition]),
        encode(["address"], [str(CONTRACT)]),
        encode(["address"], [holder]),
    ]
    return log(token, topics, encode(["uint256", "bytes", "bytes"], [amount, b"", b""]))


def by_partition(
    token: EvmAddress, sender: str, receiver: str, amount: int, partition: int = 1
) -> dict[str, object]:
    """TransferByPartition."""
    topics = [
        interfaces.TRANSFER_BY_PARTITION.topic,
        encode(["uint256"], [partition]),
        encode(["address"], [sender]),
        encode(["address"], [receiver]),
    ]
    data = encode(["address", "uint256", "bytes", "bytes"], [str(CONTRACT), amount, b"", b""])
    return log(token, topics, data)


# The padded arrays of each event, and what its call was.
PADDED: list[object] = [[B, NOBODY, NOBODY], [A, C, NOBODY], [600, 0, 0]]
HOLDERS = (A, B, C)
EVENTS = [
    (SHARES, [9, HOLDERS, 1_000], execution_of(ExecutionKind.AMOUNT_SNAPSHOT, 9, 1_000, HOLDERS)),
    (DISTRIBUTION, [9, HOLDERS], execution_of(ExecutionKind.DISTRIBUTION, 9, 0, HOLDERS)),
    (CASH_OUT, [HOLDERS], execution_of(ExecutionKind.CASH_OUT, 0, 0, HOLDERS)),
]


@pytest.mark.parametrize(("event", "call", "execution"), EVENTS)
def test_an_execution_event_is_decoded_without_its_padding(
    event: Any, call: list[object], execution: Execution
) -> None:
    data = encode(event.inputs, [*call, *PADDED])
    found = execution_event(Log(str(CONTRACT), (event.topic,), data, BlockNumber(1), "0xb", "0xt", 0))
    assert found == ExecutionEvent(execution, (B,), money({A: 600, C: 0}))


async def test_only_the_contracts_own_transfers_of_the_payment_token_are_evidence() -> None:
    contract = str(CONTRACT)
    logs = [
        transfer(PAYMENT_TOKEN, contract, A, 5),
        transfer(PAYMENT_TOKEN, B, A, 7),
        transfer(TOKEN, contract, A, 11),
        transfer(PAYMENT_TOKEN, contract, A, 13),
        transfer(PAYMENT_TOKEN, contract, B, 17),
    ]
    evidence = await EvmContracts(CannedReceipt(logs)).receipt_evidence("0xt", CONTRACT, PAYMENT_TOKEN, TOKEN)
    assert evidence.event is None
    assert dict(evidence.transferred) == {A: 18, B: 17}
    assert dict(evidence.redeemed) == {}


@pytest.mark.parametrize(("event", "call", "execution"), EVENTS)
async def test_logs_of_another_layout_prove_nothing(event: Any, call: list[object], execution: Execution) -> None:
    """The payout goes on; the payees are then DISPUTED, since nothing says that they were paid."""
    odd_transfer = transfer(PAYMENT_TOKEN, str(CONTRACT), A, 5) | {"data": "0x"}
    odd_burn = transfer(TOKEN, A, NOBODY, 5) | {"data": "0x"}
    data = encode(event.inputs, [*call, *PADDED])
    # One topic too many; then too little data.
    for odd_event in (log(CONTRACT, [event.topic, event.topic], data), log(CONTRACT, [event.topic], data[:-32])):
        receipt = CannedReceipt([odd_transfer, odd_burn, odd_event])
        evidence = await EvmContracts(receipt).receipt_evidence("0xt", CONTRACT, PAYMENT_TOKEN, TOKEN)
        assert (evidence.event, dict(evidence.transferred), dict(evidence.redeemed)) == (None, {}, {})


@pytest.mark.parametrize(("event", "call", "execution"), EVENTS)
async def test_tokens_are_redeemed_by_a_cash_out_alone(
    event: Any, call: list[object], execution: Execution
) -> None:
    """Version 8 tells an adjustment as a transfer by nobody, beside its burns (docs/contract-surprises.md#15)."""
    logs = [
        transfer(TOKEN, A, NOBODY, 40),
        redemption(TOKEN, A, 40),
        transfer(TOKEN, NOBODY, NOBODY, 3),
        transfer(TOKEN, A, NOBODY, 2),
        redemption(TOKEN, A, 2),
        transfer(TOKEN, A, B, 5),
        transfer(TOKEN, NOBODY, A, 7),
        redemption(PAYMENT_TOKEN, C, 9),
        log(CONTRACT, [event.topic], encode(event.inputs, [*call, *PADDED])),
    ]
    evidence = await EvmContracts(CannedReceipt(logs)).receipt_evidence("0xt", CONTRACT, PAYMENT_TOKEN, TOKEN)
    assert evidence.event
    assert evidence.event.execution == execution
    is_cash_out = execution.kind is ExecutionKind.CASH_OUT
    assert dict(evidence.redeemed) == ({A: 42} if is_cash_out else {})


CASH_OUT_LOG = log(CONTRACT, [CASH_OUT.topic], encode(CASH_OUT.inputs, [HOLDERS, *PADDED]))


@pytest.mark.parametrize(
    ("logs", "burned"),
    [
        # Version 7, one partition and two; the published contracts' own order.
        ([by_partition(TOKEN, A, NOBODY, 42), redemption(TOKEN, A, 42)], {A: 42}),
        (
            [
                by_partition(TOKEN, A, NOBODY, 40),
                redemption(TOKEN, A, 40),
                by_partition(TOKEN, A, NOBODY, 2, partition=2),
                redemption(TOKEN, A, 2, partition=2),
            ],
            {A: 42},
        ),
        # npm package 2.0.0.
        ([redemption(TOKEN, A, 42), redemption(TOKEN, B, 1)], {A: 42, B: 1}),
        # Version 8; and version 7's burn(), which is no cash-out's: three forms of one burn.
        ([transfer(TOKEN, A, NOBODY, 42), redemption(TOKEN, A, 42)], {A: 42}),
        (
            [
                by_partition(TOKEN, A, NOBODY, 42),
                redemption(TOKEN, A, 42),
                transfer(TOKEN, A, NOBODY, 42),
            ],
            {A: 42},
        ),
        # A lock or a hold alone, then one beside a burn: both tell transfers to nobody and burn nothing.
        ([by_partition(TOKEN, A, NOBODY, 5), transfer(TOKEN, A, NOBODY, 5)], {}),
        (
            [
                by_partition(TOKEN, A, NOBODY, 5),
                transfer(TOKEN, A, NOBODY, 5),
                by_partition(TOKEN, A, NOBODY, 42),
                redemption(TOKEN, A, 42),
            ],
            {A: 42},
        ),
        # Another holder's lock, another token's burn, a transfer between holders.
        (
            [
                by_partition(TOKEN, B, NOBODY, 5),
                redemption(PAYMENT_TOKEN, A, 9),
                by_partition(TOKEN, A, C, 9),
                redemption(TOKEN, A, 42),
            ],
            {A: 42},
        ),
        # Less went to nobody than was redeemed: the asset contradicts itself.
        ([by_partition(TOKEN, A, NOBODY, 41), redemption(TOKEN, A, 42)], {A: None}),
        ([transfer(TOKEN, A, NOBODY, 1), redemption(TOKEN, A, 42)], {A: None}),
        # Another layout proves nothing.
        ([redemption(TOKEN, A, 42) | {"data": "0x"}], {}),
    ],
)
async def test_a_burn_is_counted_once_in_whatever_form_it_is_told(
    logs: list[dict[str, object]], burned: dict[str, int | None]
) -> None:
    receipt = CannedReceipt([*logs, CASH_OUT_LOG])
    evidence = await EvmContracts(receipt).receipt_evidence("0xt", CONTRACT, PAYMENT_TOKEN, TOKEN)
    assert dict(evidence.redeemed) == burned


async def test_an_event_of_another_contract_is_none_of_ours() -> None:
    data = encode(CASH_OUT.inputs, [HOLDERS, *PADDED])
    receipt = CannedReceipt([log(PAYMENT_TOKEN, [CASH_OUT.topic], data), transfer(TOKEN, A, NOBODY, 4)])
    evidence = await EvmContracts(receipt).receipt_evidence("0xt", CONTRACT, PAYMENT_TOKEN, TOKEN)
    assert (evidence.event, dict(evidence.redeemed)) == (None, {})


# ------------------------------------------------------------------------------------ the asset's answers

Answer = Callable[..., tuple[Sequence[str], Sequence[object]]]
_INPUTS = {
    "getCoupon": ["uint256"],
    "getDividends": ["uint256"],
    "getTokenHoldersAtSnapshot": ["uint256", "uint256", "uint256"],
    "balanceOfAtSnapshot": ["uint256", "address"],
    "getDividendHolders": ["uint256", "uint256", "uint256"],
    "getCouponFor": ["uint256", "address"],
    "getCouponAmountFor": ["uint256", "address"],
    "getDividendFor": ["uint256", "address"],
    "getDividendAmountFor": ["uint256", "address"],
    "getPrincipalFor": ["address"],
    "getTotalBalanceFor": ["address"],
    "getFrozenTokens": ["address"],
    "getLockedAmountFor": ["address"],
    "getHeldAmountFor": ["address"],
    "balanceOf": ["address"],
    "getBondDetails": [],
    "getMaturityDate": [],
    "getERC20Metadata": [],
}
# What version 8 says to a function that it does not have (ats_facts: FunctionNotFound).
_NO_SUCH_FUNCTION = {"code": 3, "message": "execution reverted", "data": "0x5416eb98" + "00" * 32}


class Asset(JsonRpc):
    """An asset that has the functions it is given, at every block up to the newest."""

    def __init__(self, answers: Mapping[str, Answer], newest_block: int = 50) -> None:
        super().__init__("http://nowhere")
        self.posts: list[list[tuple[str, Any]]] = []
        self._answers = {
            keccak(text=f"{name}({','.join(_INPUTS[name])})")[:4]: (_INPUTS[name], answer)
            for name, answer in answers.items()
        }
        self._newest_block = newest_block

    @property
    def blocks_asked_for(self) -> set[str]:
        return {parameters[1] for post in self.posts for method, parameters in post if method == "eth_call"}

    async def _post(self, body: Any, max_bytes: int | None = None) -> Any:
        calls = body if isinstance(body, list) else [body]
        self.posts.append([(call["method"], call["params"]) for call in calls])
        answers = [{"id": call["id"], **self._answer(call["method"], call["params"])} for call in calls]
        return answers if isinstance(body, list) else answers[0]

    def _answer(self, method: str, parameters: Any) -> dict[str, object]:
        if method == "eth_getBlockByNumber":
            number = hex(self._newest_block)
            return {"result": {"number": number, "hash": "0xb", "parentHash": "0xa", "timestamp": "0x1"}}
        call, tag = parameters
        if tag != "latest" and int(tag, 16) > self._newest_block:
            return {"error": {"code": -32000, "message": "header not found"}}
        data = bytes.fromhex(call["data"][2:])
        if data[:4] not in self._answers:
            return {"error": _NO_SUCH_FUNCTION}
        inputs, answer = self._answers[data[:4]]
        types, values = answer(*Function("", (), tuple(inputs)).decode(data[4:]))
        return {"result": "0x" + encode(types, values).hex()}


COUPON_TERMS = (100, 200, 0, 300, 150, 4, 2)
_COUPON_TYPES = ["uint256"] * 6 + ["uint8"] * 2
BALANCES = {A: 60, B: 30}


def coupon(snapshot_id: int, status: int, *, is_cancelled: bool = False) -> Answer:
    return lambda action_id: (
        [*_COUPON_TYPES, "uint256", "bool"],
        [*COUPON_TERMS, status, snapshot_id, is_cancelled],
    )


def coupon_for_of_version_7(action_id: int, account: HolderAddress) -> tuple[list[str], list[object]]:
    types = ["uint256", "uint256", "uint8", "bool", *_COUPON_TYPES, "uint256", "uint256", "bool", "bool"]
    return types, [BALANCES[account], 1_000, 6, True, *COUPON_TERMS, 1, 1, 1, True, False]


def coupon_for_of_version_8(action_id: int, account: HolderAddress) -> tuple[list[str], list[object]]:
    types = [
        "uint256",
        "uint8",
        "uint256",
        "uint256",
        "bool",
        *_COUPON_TYPES,
        "uint256",
        "uint256",
        "bool",
        "bool",
    ]
    return types, [BALANCES[account], 6, 1_000, 2, True, *COUPON_TERMS, 1, 1, 1, True, False]


def thirds(action_id: int, account: HolderAddress) -> tuple[list[str], list[object]]:
    """A third of a payment token for each token."""
    return ["uint256", "uint256", "bool"], [BALANCES[account], 3, True]


def nothing_by_nothing(action_id: int, account: HolderAddress) -> tuple[list[str], list[object]]:
    """As before the record date, and of a cancelled coupon."""
    return ["uint256", "uint256", "bool"], [0, 0, False]


OF_COUPON = EntitlementSource(token=TOKEN, kind=PayoutKind.COUPON, action_id=5, payment_token_decimals=2)


@pytest.mark.parametrize("coupon_for", [coupon_for_of_version_7, coupon_for_of_version_8])
async def test_coupons_of_both_versions_are_read(coupon_for: Answer) -> None:
    asset = Asset({"getCouponFor": coupon_for, "getCouponAmountFor": thirds})
    found = await EvmContracts(asset).entitlements(OF_COUPON, [B, A], BlockNumber(7))
    # 30 and 60 thirds with two decimals, rounded down.
    assert found == [entitlement(B, 30, 1_000), entitlement(A, 60, 2_000)]
    assert asset.blocks_asked_for == {"0x7"}


async def test_amounts_are_rounded_down_to_the_payment_tokens_decimals() -> None:
    asset = Asset(
        {
            "getCouponFor": coupon_for_of_version_7,
            "getCouponAmountFor": lambda *_: (["uint256", "uint256", "bool"], [20, 3, True]),
        }
    )
    (found,) = await EvmContracts(asset).entitlements(OF_COUPON, [A], BlockNumber(7))
    assert found.amount_base_units == 666


async def test_an_amount_of_nothing_by_nothing_is_nothing() -> None:
    asset = Asset({"getCouponFor": coupon_for_of_version_7, "getCouponAmountFor": nothing_by_nothing})
    (found,) = await EvmContracts(asset).entitlements(OF_COUPON, [A])
    assert found.amount_base_units == 0


async def test_all_reads_of_the_newest_block_see_the_same_one() -> None:
    asset = Asset({"getCouponFor": coupon_for_of_version_7, "getCouponAmountFor": thirds})
    await EvmContracts(asset).entitlements(OF_COUPON, [A])
    assert asset.blocks_asked_for == {hex(50)}


async def test_holders_share_requests() -> None:
    asset = Asset({"getCouponFor": coupon_for_of_version_7, "getCouponAmountFor": thirds})
    await EvmContracts(asset).entitlements(OF_COUPON, [A, B] * 50, BlockNumber(7))
    assert [len(post) for post in asset.posts] == [100, 100]


async def test_a_node_that_lacks_the_block_is_unavailable() -> None:
    contracts = EvmContracts(Asset({"getCouponFor": coupon_for_of_version_7, "getCoupon": coupon(3, 1)}))
    with pytest.raises(RpcUnavailableError, match="getCouponFor at 0x33"):
        await contracts.entitlements(OF_COUPON, [A], BlockNumber(51))
    with pytest.raises(RpcUnavailableError, match="getCoupon"):
        await contracts.corporate_action(TOKEN, PayoutKind.COUPON, 5, BlockNumber(51))


@pytest.mark.parametrize(("status", "is_rate_set"), [(0, False), (1, True)])
@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_a_coupon_is_told_with_its_rates_status(status: int, is_rate_set: bool, is_cancelled: bool) -> None:
    contracts = EvmContracts(Asset({"getCoupon": coupon(17, status, is_cancelled=is_cancelled)}))
    found = await contracts.corporate_action(TOKEN, PayoutKind.COUPON, 5)
    assert found == CorporateAction(
        record_time=100,
        execution_time=200,
        snapshot_id=SnapshotId(17),
        is_cancelled=is_cancelled,
        is_rate_set=is_rate_set,
    )
    assert await contracts.corporate_action(TOKEN, PayoutKind.DIVIDEND, 5) is None, "it has no such function"


def dividends_of_version_2(action_id: int) -> tuple[list[str], list[object]]:
    return ["uint256", "uint256", "uint256", "uint8", "uint256"], [100, 200, 5, 2, 0]


def coupon_of_version_2(action_id: int) -> tuple[list[str], list[object]]:
    return ["uint256", "uint256", "uint256", "uint8", "uint256", "uint256"], [100, 200, 5, 2, 300, 0]


def coupon_of_versions_4_and_5(action_id: int) -> tuple[list[str], list[object]]:
    return [*_COUPON_TYPES, "uint256"], [*COUPON_TERMS, 1, 0]


@pytest.mark.parametrize(
    ("kind", "answers", "missing", "found"),
    [
        (PayoutKind.DIVIDEND, {"getDividends": dividends_of_version_2}, "0x0ecfcaa4", "0x3837ac88"),
        (PayoutKind.COUPON, {"getCoupon": coupon_of_version_2}, "0x936e3169", "0x936e3169"),
        (PayoutKind.COUPON, {"getCoupon": coupon_of_versions_4_and_5}, "0x936e3169", "0x936e3169"),
    ],
)
async def test_an_action_that_the_lifecycle_contract_cannot_read_is_refused_by_name(
    kind: PayoutKind, answers: Mapping[str, Answer], missing: str, found: str
) -> None:
    with pytest.raises(AppError, match=f"{missing}.* {found}|{found}") as caught:
        await EvmContracts(Asset(answers)).corporate_action(TOKEN, kind, 5)
    assert caught.value.reason is Reason.ASSET_VERSION_NOT_SUPPORTED
    assert missing in caught.value.message


LISTED = [holder(number) for number in range(5)]


def pages(*, are_right: bool) -> Answer:
    """A snapshot's list of holders in pages; those of versions 2 to 6 have the right length and begin at 0."""

    def page(_: int, index: int, length: int) -> tuple[list[str], list[object]]:
        right = LISTED[index * length : (index + 1) * length]
        return ["address[]"], [right if are_right else LISTED[: len(right)]]

    return page


@pytest.mark.parametrize("are_right", [True, False])
async def test_pages_that_begin_at_the_first_holder_are_read_as_one(are_right: bool) -> None:
    asset = Asset(
        {
            "getTokenHoldersAtSnapshot": pages(are_right=are_right),
            "balanceOfAtSnapshot": lambda _, account: (["uint256"], [LISTED.index(account)]),
            "getDividendHolders": pages(are_right=are_right),
            "getDividendFor": lambda _, account: (["uint256"] * 8, [LISTED.index(account), *[0] * 7]),
            "getDividendAmountFor": lambda _, account: (["uint256", "uint256", "bool"], [1, 1, True]),
        }
    )
    contracts = EvmContracts(asset)
    snapshot = [
        await contracts.snapshot_page(TOKEN, SnapshotId(1), page=page, length=2, block_number=BlockNumber(7))
        for page in range(4)
    ]
    source = EntitlementSource(token=TOKEN, kind=PayoutKind.DIVIDEND, action_id=1, payment_token_decimals=2)
    dividend = [
        await contracts.entitled_page(source, page=page, length=2, block_number=BlockNumber(7))
        for page in range(4)
    ]

    listed = [LISTED[:2], LISTED[2:4], LISTED[4:], []]
    assert [[each for each, _ in page] for page in snapshot] == listed
    assert [[each.holder for each in page] for page in dividend] == listed
    assert [balance for page in snapshot for _, balance in page] == [0, 1, 2, 3, 4]


def metadata(security_type: int) -> Answer:
    return lambda: (["((string,string,string,uint8),uint8)"], [(("n", "s", "i", 6), security_type)])


def bond_details() -> tuple[list[str], list[object]]:
    return ["bytes3", "uint256", "uint8", "uint256", "uint256"], [b"USD", 1_000, 2, 5, 777]


def maturity_date() -> tuple[list[str], list[object]]:
    return ["uint256"], [888]


@pytest.mark.parametrize(
    ("answers", "matures"),
    [
        ({"getERC20Metadata": metadata(2), "getBondDetails": bond_details}, 777),
        ({"getERC20Metadata": metadata(0), "getMaturityDate": maturity_date}, 888),
        ({"getERC20Metadata": metadata(4), "getMaturityDate": maturity_date}, 888),
        ({"getERC20Metadata": metadata(1), "getMaturityDate": maturity_date}, None),
        ({"getERC20Metadata": metadata(0)}, None),
        ({"getBondDetails": bond_details}, None),
    ],
    ids=["version 7", "version 8", "loan", "equity", "neither", "no security token"],
)
async def test_when_a_bond_matures(answers: Mapping[str, Answer], matures: int | None) -> None:
    assert await EvmContracts(Asset(answers)).maturity_time(TOKEN) == matures


OF_PRINCIPAL = EntitlementSource(token=TOKEN, kind=PayoutKind.REDEMPTION, action_id=0, payment_token_decimals=2)
PRINCIPAL: Mapping[str, Answer] = {
    "balanceOf": lambda account: (["uint256"], [BALANCES[account]]),
    "getPrincipalFor": lambda account: (["uint256", "uint256"], [BALANCES[account] + 40 * (account == A), 100]),
    "getTotalBalanceFor": lambda account: (["uint256"], [BALANCES[account] + 40 * (account == A)]),
}


async def test_version_8_tells_the_principal_of_tokens_that_it_will_not_redeem() -> None:
    first, second = await EvmContracts(Asset(PRINCIPAL)).entitlements(OF_PRINCIPAL, [A, B], BlockNumber(7))
    assert (first.holder, first.balance, first.amount_base_units) == (A, 60, 100)
    assert ("40 of 100 tokens" in first.obstacle, first.is_overpaid) == (True, True)
    assert second == entitlement(B, 30, 30)
    assert [first.per_token_base_units, second.per_token_base_units] == [1, 1], "of frozen tokens too"


async def test_the_worth_of_a_token_is_told_before_any_rounding() -> None:
    thirds = {**PRINCIPAL, "getPrincipalFor": lambda account: (["uint256", "uint256"], [BALANCES[account], 300])}
    answers = {**thirds, "getTotalBalanceFor": lambda account: (["uint256"], [BALANCES[account]])}
    for more in ({}, {"getBondDetails": bond_details}):
        first, second = await EvmContracts(Asset({**answers, **more})).entitlements(
            OF_PRINCIPAL, [A, B], BlockNumber(7)
        )
        assert (first.amount_base_units, second.amount_base_units) == (20, 10)
        assert first.per_token_base_units == second.per_token_base_units == Fraction(1, 3)
    nothing = {**answers, **dict.fromkeys(("balanceOf", "getTotalBalanceFor"), lambda account: (["uint256"], [0]))}
    nothing["getPrincipalFor"] = lambda account: (["uint256", "uint256"], [0, 300])
    (found,) = await EvmContracts(Asset(nothing)).entitlements(OF_PRINCIPAL, [A], BlockNumber(7))
    assert found.per_token_base_units is None


async def test_version_7_redeems_what_it_tells_the_principal_of() -> None:
    """It has getBondDetails. Frozen tokens are in the way there as well, but nothing would be paid for them."""
    asset = Asset({**PRINCIPAL, "getBondDetails": bond_details})
    first, second = await EvmContracts(asset).entitlements(OF_PRINCIPAL, [A, B], BlockNumber(7))
    assert ("40 of 100 tokens" in first.obstacle, first.is_overpaid) == (True, False)
    assert (second.obstacle, second.is_overpaid) == ("", False)
    assert asset.blocks_asked_for == {"0x7"}


async def test_an_asset_that_does_not_sum_a_holders_tokens_is_asked_for_their_parts() -> None:
    """The package 2.0.0 has no getTotalBalanceFor; here it has no clearing either."""
    parts: Mapping[str, Answer] = {
        "getFrozenTokens": lambda account: (["uint256"], [3 * (account == A)]),
        "getLockedAmountFor": lambda account: (["uint256"], [4]),
        "getHeldAmountFor": lambda account: (["uint256"], [0]),
    }
    answers = {name: answer for name, answer in PRINCIPAL.items() if name != "getTotalBalanceFor"}
    asset = Asset({**answers, **parts, "getBondDetails": bond_details})
    first, second = await EvmContracts(asset).entitlements(OF_PRINCIPAL, [A, B], BlockNumber(7))
    assert first.obstacle.startswith("7 of 67 tokens")
    assert second.obstacle.startswith("4 of 34 tokens")


@pytest.mark.parametrize(("held", "holds"), [(0, True), (1, True), (None, False)])
async def test_the_redeemers_role_of_either_version_will_do(held: int | None, holds: bool) -> None:
    roles = [
        "a0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c",
        "433f48f8aca23480f6ab07666cbc9131d32a0b4672033453f65e18f4dd390523",
    ]

    class Roles(JsonRpc):
        async def request(self, method: str, *parameters: Any) -> object:
            assert parameters[0]["to"] == str(TOKEN)
            asked = parameters[0]["data"]
            assert asked.endswith(str(CONTRACT)[2:])
            return "0x" + encode(["bool"], [held is not None and roles[held] in asked]).hex()

    assert await EvmContracts(Roles("http://nowhere")).holds_redeemer_role(TOKEN, CONTRACT) is holds
