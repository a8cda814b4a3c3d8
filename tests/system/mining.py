"""Who makes the blocks of the system tests' chain, and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from tests.system.harness import eventually

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
