"""The asset, the lifecycle contract and the payment token: dull typed methods, no policy."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from libs.chain.address import EvmAddress
from libs.evm import interfaces
from libs.evm.abi import Event, Function, UndecodableError
from libs.evm.rpc import (
    CallRevertedError,
    JsonRpc,
    Log,
    RpcRefusedError,
    RpcUnavailableError,
    parse_log,
    quantity,
)
from libs.evm.tokens import erc20_balance, try_call
from payout_service.application.chain_ports import (
    CallKind,
    ReceiptEvidence,
    RecognisedCall,
    SeenExecution,
    SeenTransfer,
)
from payout_service.domain.settlement import ExecutionEvent, strip_padding
from payout_service.domain.transaction import ContractCall

# A Hedera relay's most (hedera.md); other nodes' limits are found by halving.
_MOST_BLOCKS_IN_A_WINDOW = 1_000
_OTHER = RecognisedCall(CallKind.OTHER)


class EvmContracts:
    """See Contracts."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    def take_snapshot(self, token: EvmAddress) -> ContractCall:
        """See Contracts."""
        return ContractCall(token, interfaces.TAKE_SNAPSHOT.encode())

    def pay_batch(
        self,
        contract: EvmAddress,
        token: EvmAddress,
        snapshot_id: int,
        holders: Sequence[str],
        total_base_units: int,
    ) -> ContractCall:
        """See Contracts."""
        data = interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES.encode(
            token.value, snapshot_id, list(holders), total_base_units
        )
        return ContractCall(contract, data)

    def sweep(self, contract: EvmAddress, to: EvmAddress, amount_base_units: int) -> ContractCall:
        """See Contracts."""
        return ContractCall(contract, interfaces.TRANSFER_PAYMENT_TOKEN.encode(to.value, amount_base_units))

    def recognise(self, call: ContractCall) -> RecognisedCall:
        """See Contracts. What cannot be decoded is OTHER, as is the creation of a contract."""
        if call.to is None:
            return _OTHER
        try:
            match call.data[:4]:
                case interfaces.TAKE_SNAPSHOT.selector:
                    return RecognisedCall(CallKind.TAKE_SNAPSHOT)
                case interfaces.TRANSFER_PAYMENT_TOKEN.selector:
                    to, amount = _arguments(interfaces.TRANSFER_PAYMENT_TOKEN, call.data)
                    return RecognisedCall(CallKind.SWEEP, holders=(to,), total_base_units=amount)
                case interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES.selector:
                    _, snapshot_id, holders, total = _arguments(
                        interfaces.EXECUTE_AMOUNT_SNAPSHOT_BY_ADDRESSES, call.data
                    )
                    return RecognisedCall(CallKind.PAY_BATCH, snapshot_id, tuple(holders), total)
        except UndecodableError:
            return _OTHER
        return _OTHER

    async def has_code(self, address: EvmAddress) -> bool:
        """See Contracts."""
        return bool(await self._rpc.code(address.value))

    async def payment_token_of(self, contract: EvmAddress) -> EvmAddress | None:
        """See Contracts."""
        answer = await try_call(self._rpc, contract.value, interfaces.GET_PAYMENT_TOKEN, block="latest")
        return EvmAddress(answer[0].lower()) if answer else None

    async def is_paused(self, contract: EvmAddress) -> bool:
        """See Contracts."""
        (paused,) = await self._rpc.call(contract.value, interfaces.IS_PAUSED)
        return bool(paused)

    async def holds_payout_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.PAYOUT_ROLE, signer)

    async def holds_transferer_role(self, contract: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        return await self._holds_role(contract, interfaces.TRANSFERER_ROLE, signer)

    async def holds_snapshot_role(self, token: EvmAddress, signer: EvmAddress) -> bool:
        """See Contracts."""
        for role in interfaces.SNAPSHOT_ROLES:
            answer = await try_call(
                self._rpc, token.value, interfaces.HAS_ROLE_ON_ASSET, role, signer.value, block="latest"
            )
            if answer and answer[0]:
                return True
        return False

    async def is_contract_of(self, contract: EvmAddress, token: EvmAddress, signer: EvmAddress) -> bool | None:
        """Simulates a payout to nobody: the guards run in the order paused, role, asset (contracts.md, 1)."""
        call = self.pay_batch(contract, token, 0, [], 0)
        parameters = {"from": signer.value, "to": contract.value, "data": "0x" + call.data.hex()}
        try:
            await self._rpc.request("eth_call", parameters, "latest")
        except CallRevertedError as error:
            selector = error.data[:4]
            if selector == interfaces.INVALID_ASSET.selector:
                return False
            if selector in (interfaces.LIFECYCLE_IS_PAUSED.selector, interfaces.ACCOUNT_HAS_NO_ROLE.selector):
                return None
        return True

    async def implementation_of(self, contract: EvmAddress) -> EvmAddress | None:
        """See Contracts."""
        answer = await self._rpc.request(
            "eth_getStorageAt", contract.value, hex(interfaces.IMPLEMENTATION_SLOT), "latest"
        )
        value = quantity(answer)
        return EvmAddress(f"0x{value:040x}") if value else None

    async def gas_money_wei(self, account: EvmAddress) -> int:
        """See Contracts."""
        return quantity(await self._rpc.request("eth_getBalance", account.value, "latest"))

    async def payment_token_balance(
        self, token: EvmAddress, account: EvmAddress, block_number: int | None = None
    ) -> int:
        """See Contracts."""
        block = "latest" if block_number is None else hex(block_number)
        try:
            return await erc20_balance(self._rpc, token.value, account.value, block)
        except CallRevertedError:
            raise
        except RpcRefusedError as refusal:
            # One of several nodes that does not have the block yet, in words of its own.
            raise RpcUnavailableError(f"the node refused balanceOf at {block}: {refusal}") from refusal

    async def why_refused(
        self, contract: EvmAddress, payment_token: EvmAddress, payee: str, amount_base_units: int
    ) -> str:
        """See Contracts. True or no answer is a success, as it is to the lifecycle contract."""
        data = interfaces.TRANSFER_TOKENS.encode(payee, amount_base_units)
        transfer = {"from": contract.value, "to": payment_token.value, "data": "0x" + data.hex()}
        try:
            answer = await self._rpc.request("eth_call", transfer, "latest")
        except CallRevertedError as error:
            # Some nodes leave the data out and put the reason into their words.
            return error.reason if error.data or not error.message else error.message
        except RpcRefusedError as refusal:
            # Of the transfer, or of everything? A node that then tells a balance is sound.
            if await try_call(self._rpc, payment_token.value, interfaces.BALANCE_OF, payee, block="latest"):
                return refusal.message or "refused without a reason"
            raise RpcUnavailableError(f"the node refused to simulate a transfer: {refusal}") from refusal
        return "" if answer == "0x" or quantity(answer) == 1 else "the token's transfer answered false"

    async def executions(self, contract: EvmAddress, from_block: int, to_block: int) -> list[SeenExecution]:
        """See Contracts. A log of another layout proves nothing and is left out."""
        event = interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED
        logs = await self._logs(contract, [_topic(event)], from_block, to_block)
        decoded = ((log, _execution_event(log)) for log in logs)
        return [
            SeenExecution(log.transaction_hash, log.block_number, execution)
            for log, execution in decoded
            if execution is not None
        ]

    async def outgoing_transfers(
        self, payment_token: EvmAddress, contract: EvmAddress, from_block: int, to_block: int
    ) -> list[SeenTransfer]:
        """See Contracts. A log of another layout proves nothing and is left out."""
        sender = "0x" + encode(["address"], [contract.value]).hex()
        logs = await self._logs(payment_token, [_topic(interfaces.TRANSFER), sender], from_block, to_block)
        decoded = ((log, _transfer(log)) for log in logs)
        return [
            SeenTransfer(log.transaction_hash, log.block_number, transfer[1], transfer[2])
            for log, transfer in decoded
            if transfer is not None
        ]

    async def snapshot_id_in(self, transaction_hash: str, token: EvmAddress) -> int | None:
        """See Contracts."""
        for log in await self._receipt_logs(transaction_hash):
            if log.address == token.value and log.topics[:1] == (interfaces.SNAPSHOT_TAKEN.topic,):
                _, snapshot_id = interfaces.SNAPSHOT_TAKEN.decode(log.topics, log.data)
                return int(snapshot_id)
        return None

    async def snapshot_totals(self, token: EvmAddress, snapshot_id: int, block_number: int) -> tuple[int, int]:
        """See Contracts."""
        block = hex(block_number)
        (holders,) = await self._rpc.call(
            token.value, interfaces.GET_TOTAL_TOKEN_HOLDERS_AT_SNAPSHOT, snapshot_id, block=block
        )
        (supply,) = await self._rpc.call(
            token.value, interfaces.TOTAL_SUPPLY_AT_SNAPSHOT, snapshot_id, block=block
        )
        return int(holders), int(supply)

    async def snapshot_page(
        self, token: EvmAddress, snapshot_id: int, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        """See Contracts."""
        block = hex(block_number)
        (holders,) = await self._rpc.call(
            token.value, interfaces.GET_TOKEN_HOLDERS_AT_SNAPSHOT, snapshot_id, page, length, block=block
        )
        balances = await self._rpc.call_many(
            token.value,
            interfaces.BALANCE_OF_AT_SNAPSHOT,
            [(snapshot_id, holder) for holder in holders],
            block,
        )
        return [(holder.lower(), int(balance)) for holder, (balance,) in zip(holders, balances, strict=True)]

    async def live_totals(self, token: EvmAddress, block_number: int) -> tuple[int, int]:
        """See Contracts."""
        block = hex(block_number)
        (holders,) = await self._rpc.call(token.value, interfaces.GET_TOTAL_SECURITY_HOLDERS, block=block)
        (supply,) = await self._rpc.call(token.value, interfaces.TOTAL_SUPPLY, block=block)
        return int(holders), int(supply)

    async def live_page(
        self, token: EvmAddress, page: int, length: int, block_number: int
    ) -> list[tuple[str, int]]:
        """See Contracts."""
        block = hex(block_number)
        (holders,) = await self._rpc.call(token.value, interfaces.GET_SECURITY_HOLDERS, page, length, block=block)
        balances = await self._rpc.call_many(
            token.value, interfaces.BALANCE_OF, [(holder,) for holder in holders], block
        )
        return [(holder.lower(), int(balance)) for holder, (balance,) in zip(holders, balances, strict=True)]

    async def receipt_evidence(
        self, transaction_hash: str, contract: EvmAddress, payment_token: EvmAddress
    ) -> ReceiptEvidence:
        """See Contracts."""
        event: ExecutionEvent | None = None
        transferred: Counter[str] = Counter()
        for log in await self._receipt_logs(transaction_hash):
            topic = log.topics[0] if log.topics else b""
            if log.address == contract.value and topic == interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED.topic:
                event = _execution_event(log)
            elif log.address == payment_token.value and topic == interfaces.TRANSFER.topic:
                transfer = _transfer(log)
                if transfer and transfer[0] == contract.value:
                    transferred[transfer[1]] += transfer[2]
        return ReceiptEvidence(event, transferred)

    async def paid_flags(
        self, contract: EvmAddress, snapshot_id: int, holders: Sequence[str], block_number: int
    ) -> dict[str, bool]:
        """See Contracts."""
        base = interfaces.PAID_FLAG_BASE + interfaces.PAID_FLAG_SNAPSHOTS_OFFSET
        of_snapshot = keccak(encode(["uint256", "uint256"], [snapshot_id, base]))
        slots = ["0x" + keccak(encode(["address", "bytes32"], [holder, of_snapshot])).hex() for holder in holders]
        answers = await self._rpc.request_many(
            "eth_getStorageAt", [(contract.value, slot, hex(block_number)) for slot in slots]
        )
        return {holder: quantity(answer) != 0 for holder, answer in zip(holders, answers, strict=True)}

    async def _holds_role(self, contract: EvmAddress, role: bytes, signer: EvmAddress) -> bool:
        (held,) = await self._rpc.call(contract.value, interfaces.HAS_ROLE, role, signer.value)
        return bool(held)

    async def _logs(self, address: EvmAddress, topics: Sequence[str], from_block: int, to_block: int) -> list[Log]:
        """Logs of a range of blocks, in windows that halve when the node refuses one, and grow again.

        Raises RpcUnavailableError, also when the node refuses a single block.
        """
        found: list[Log] = []
        size = _MOST_BLOCKS_IN_A_WINDOW
        while from_block <= to_block:
            size = min(size, to_block - from_block + 1)
            try:
                found += await self._rpc.logs(address.value, topics, from_block, from_block + size - 1)
            except RpcRefusedError as refusal:
                if size == 1:
                    raise RpcUnavailableError(
                        f"the node refused the logs of block {from_block}: {refusal}"
                    ) from refusal
                size //= 2
                continue
            from_block += size
            size = min(2 * size, _MOST_BLOCKS_IN_A_WINDOW)
        return found

    async def _receipt_logs(self, transaction_hash: str) -> list[Log]:
        receipt = await self._rpc.request("eth_getTransactionReceipt", transaction_hash)
        if receipt is None:
            # It was final when it was recorded: this node lags or is another one.
            raise RpcUnavailableError(f"the node has no receipt of {transaction_hash}")
        return [parse_log(entry) for entry in receipt["logs"]]


def _arguments(function: Function, data: bytes) -> tuple[Any, ...]:
    """The arguments in a call's data. Raises UndecodableError."""
    return Function(function.name, (), function.inputs).decode(data[4:])


def _topic(event: Event) -> str:
    return "0x" + event.topic.hex()


def _transfer(log: Log) -> tuple[str, str, int] | None:
    """Sender, receiver and amount; None for another layout, which proves nothing: the payee is then disputed."""
    try:
        sender, receiver, amount = interfaces.TRANSFER.decode(log.topics, log.data)
    except UndecodableError:
        return None
    return sender, receiver, amount


def _execution_event(log: Log) -> ExecutionEvent | None:
    """The event; None for another layout, which proves nothing: the payees are then disputed."""
    try:
        snapshot_id, holders, amount, failed, succeeded, paid_amounts = (
            interfaces.AMOUNT_SNAPSHOT_BY_ADDRESSES_EXECUTED.decode(log.topics, log.data)
        )
    except UndecodableError:
        return None
    failed_holders, paid = strip_padding(failed, succeeded, paid_amounts)
    return ExecutionEvent(snapshot_id, tuple(holders), amount, failed_holders, paid)
