"""Who makes the blocks of the system tests' chain, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from deploy.local.settings import CONFIRMATIONS
from libs.client.client import progress_of
from libs.protogen.typed.masspayout.payout.v1 import Batch, BatchState, Payout
from tests.system.harness import Harness, Stage, eventually

_BLOCK_SECONDS = 0.2


class Ticker:
    """Mines a block every fifth of a second, as a chain does; automine makes none while nothing is sent.

    May be paused, and told to keep the base fee up: an empty block lowers it by an eighth otherwise.
    """

    def __init__(self, rpc_url: str) -> None:
        self._web3 = Web3(HTTPProvider(rpc_url))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker")
        # Held while a block is made: after `pause` there is none under way.
        self._mining = threading.Lock()
        self._is_paused = False
        self._base_fee_wei: int | None = None

    def start(self) -> None:
        """Starts mining."""
        self._thread.start()

    def stop(self) -> None:
        """Ends mining."""
        self._stopping.set()
        self._thread.join()

    def pause(self) -> None:
        """No block from now on, but those of `mine`."""
        with self._mining:
            self._is_paused = True

    def resume(self) -> None:
        """Blocks again, at the base fee that comes of itself."""
        with self._mining:
            self._is_paused = False
            self._base_fee_wei = None

    def keep_base_fee(self, wei_per_gas: int) -> None:
        """Every block from now on has this base fee, until `resume`; a paused ticker mines again."""
        with self._mining:
            self._is_paused = False
            self._base_fee_wei = wei_per_gas

    def mine(self, count: int = 1) -> None:
        """So many blocks at once."""
        with self._mining:
            for _ in range(count):
                self._mine()

    async def mine_one_with(self, transaction: Coroutine[Any, Any, None]) -> None:
        """While paused: sends a transaction and makes the one block that has it.

        Nothing that others send because of that block is in it.
        """
        before = self._pending_count()
        sending = asyncio.create_task(transaction)

        async def is_sent() -> bool:
            return sending.done() or self._pending_count() > before

        await eventually(is_sent, "the transaction is sent")
        self.mine()
        await sending

    def reorganise(self, depth: int) -> None:
        """Puts empty blocks in the place of the newest ones; their transactions are gone, from the pool too."""
        with self._mining:
            self._ask("anvil_reorg", depth, [])

    def _run(self) -> None:
        while not self._stopping.wait(_BLOCK_SECONDS):
            with self._mining:
                if not self._is_paused:
                    self._mine()

    def _mine(self) -> None:
        if self._base_fee_wei is not None:
            self._ask("anvil_setNextBlockBaseFeePerGas", hex(self._base_fee_wei))
        self._ask("anvil_mine", "0x1")

    def _pending_count(self) -> int:
        return int(self._ask("txpool_status")["pending"], 16)

    def _ask(self, method: str, *parameters: object) -> Any:
        answer = self._web3.provider.make_request(RPCEndpoint(method), list(parameters))
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]


async def pay_first_batch(harness: Harness, ticker: Ticker, stage: Stage, payout: str, total: int) -> Payout:
    """Deposits `total` and returns once the first batch is final; the ticker stays paused.

    What was sent with it is final, too. As many transactions as may be under way can be sent after that, but are
    in no block: whatever the machine is busy with, the payout is in its middle until the ticker is resumed.
    """
    # What was done before is final: a redemption waits for that with tokens that went elsewhere.
    ticker.mine(CONFIRMATIONS)
    ticker.pause()
    await ticker.mine_one_with(harness.deposit(stage, total))
    found: list[Batch] = []

    async def one_is_sent() -> bool:
        found[:] = await harness.batches(payout)
        return any(batch.attempts and batch.attempts[0].last_broadcast_time for batch in found)

    await eventually(one_is_sent, "a batch is sent", lambda: found)
    # The block that has it, and those on top that make it final.
    ticker.mine(1 + CONFIRMATIONS)
    return await harness.payout_when(
        payout, lambda payout: progress_of(payout).final_batch_count >= 1, "the first batch is final"
    )


async def sent_batch(harness: Harness, payout: str) -> Batch:
    """The only batch, once its transaction is sent."""
    found: list[Batch] = []

    async def is_sent() -> bool:
        found[:] = await harness.batches(payout)
        return bool(found and found[0].attempts and found[0].attempts[0].last_broadcast_time)

    await eventually(is_sent, "the first batch is sent", lambda: found)
    (batch,) = found
    assert batch.state is BatchState.IN_FLIGHT
    return batch
