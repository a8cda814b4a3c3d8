"""`python -m deploy.docs.register_transcript`: writes docs/operations-register.md from a session with `buf curl`.

Starts a stack of its own in a temporary folder, on the ports that docs/transcript.md has too (they must be free),
deploys devnet tokens, runs each command with bash, keeps what it printed, and deletes the stack. With
`--keep-file` nothing is written: the session is only tried.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.devnet.terms import Dividend
from deploy.docs.descriptors import REPOSITORY
from deploy.docs.markdown import document
from deploy.docs.recording import (
    ASSET_URL,
    CHAIN_SYNC_URL,
    PORTS,
    TRY_IT,
    Answer,
    Excerpt,
    Session,
    SessionError,
    preparation,
)
from deploy.local.errors import StackError
from deploy.local.services import ASSET, CHAIN_SYNC
from deploy.local.settings import StackSettings
from deploy.local.stack import Stack

OUTPUT: Final = REPOSITORY / "docs" / "operations-register.md"
_SETTINGS: Final = {**PORTS, "ASSET_SERVICE_REGISTER_CHECK_SECONDS": "2"}
# Variables for the reader's shell, so that commands are short.
_SERVICES: Final = {
    "ASSET": f"{ASSET_URL}/{ASSET.grpc_service}",
    "CHAIN_SYNC": f"{CHAIN_SYNC_URL}/{CHAIN_SYNC.grpc_service}",
}
# What happens on the chain, in base units of the security token; the deposit in those of the payment token.
_HOLDERS: Final = 5
_FROZEN: Final = 250_000
_LOCKED: Final = 400_000
_MOVED: Final = 1_000
_FALSIFIED: Final = 777
_DEPOSIT: Final = 1_000_000_000
_DAY_SECONDS: Final = 86_400
_NOBODY: Final = "0x000000000000000000000000000000000000dEaD"
_FAR_BLOCK: Final = 1_000_000_000
_ALL: Final = Excerpt()
_STATE: Final = Excerpt(("name", "state"))
_REFUSAL: Final = Excerpt(("code", "message"))
_TOTALS: Final = (
    "register.holderCount",
    "register.totalBalanceBaseUnits",
    "register.totalRestrictedBaseUnits",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the script. Returns the process's exit status."""
    parser = argparse.ArgumentParser(description="Write docs/operations-register.md from a real session.")
    parser.add_argument("--keep-file", action="store_true", help="run the session, write nothing")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **_SETTINGS}
        stack = Stack(StackSettings(base_dir=Path(folder) / "stack", environment=environment))
        try:
            with stack:
                page = document(_Recording(_Scene(stack)).record())
        except (SessionError, StackError) as error:
            print(f"the session went wrong:\n{error}", file=sys.stderr)
            return 1
        finally:
            stack.destroy()
    if not options.keep_file:
        OUTPUT.write_text(page, encoding="utf-8")
        print(f"wrote {OUTPUT.relative_to(REPOSITORY)}, {len(page.splitlines())} lines")
    return 0


class _Recording:
    """Records the session, with one method for each section of the page."""

    def __init__(self, scene: _Scene) -> None:
        self._scene = scene
        self._session = Session(preparation(_SETTINGS | _SERVICES))
        self._asset = ""

    def record(self) -> list[str]:
        """Runs the session. Returns the page's lines. Raises SessionError."""
        self._introduce()
        self._import_asset()
        self._read_holders()
        self._read_figures()
        self._find_and_sync_assets()
        self._list_chain_events()
        self._read_the_chain()
        self._compare()
        self._look_at_listeners()
        self._administer_listeners()
        self._disable_and_enable()
        self._pause_and_unpause()
        return self._session.lines

    # ------------------------------------------------------------------------------------------- sections

    def _introduce(self) -> None:
        self._session.say(
            "# The register and the listeners: a session",
            "",
            "<!-- Made by `python -m deploy.docs.register_transcript`. Do not edit. -->",
        )
        self._session.say(
            "Every command was run by `python -m deploy.docs.register_transcript` on a new local stack, as",
            "`make up` makes it after the lines below. The script also did what is told without a command:",
            "tokens, roles, a freeze. Outputs are what was printed, in fewer lines and with `...` for what is",
            "left out; ids differ each time.",
            "chain_sync_service follows the chain, asset_service keeps the register of holders. All methods and",
            "fields are in [api.md](api.md), reasons of refusals in [errors.md](errors.md).",
        )
        self._session.say(*TRY_IT)
        self._session.say_preparation()

    def _import_asset(self) -> None:
        session = self._session
        session.head("Look at a token, import it")
        session.say(f"The script has deployed an equity with {_HOLDERS} holders.")
        asyncio.run(self._scene.deploy())
        session.show(self._asset_call("GetTokenInfo", {"token": self._scene.token}), _ALL)
        tokens = {"token": self._scene.token, "payment_token": self._scene.payment_token}
        self._asset = str(session.run(self._asset_call("ImportAsset", _with_request_id(tokens))).json()["name"])
        asyncio.run(self._scene.grant_snapshot_role())
        asset = session.wait(
            self._asset_call("GetAsset", {"name": self._asset}),
            lambda answer: '"STATE_ACTIVE"' in answer.output and f'"holderCount": "{_HOLDERS}"' in answer.output,
        ).json()
        contract = asset["lifecycleContract"]
        if not isinstance(contract, dict):
            raise SessionError("an active asset without a lifecycle contract")
        asyncio.run(self._scene.do_business(to_checksum_address(contract["evmAddress"])))
        session.say(
            "It was then imported as in [transcript.md](transcript.md). After that there were on the chain: a",
            "transfer, a freeze, a lock, an entry on the control list, a dividend, and a deposit in the lifecycle",
            "contract.",
        )

    def _read_holders(self) -> None:
        session, frozen = self._session, self._holder(0)
        session.wait(self._asset_call("GetHolder", {"name": frozen}), _shows(f'"{_FROZEN}"'))
        session.wait(self._asset_call("GetHolder", {"name": self._holder(1)}), _shows(f'"{_LOCKED}"'))
        session.head("The register")
        session.say("The largest holders, two a page, as of the block in `register`:")
        largest: dict[str, object] = {
            "parent": self._asset,
            "order": "ORDER_BALANCE_DESC",
            "page_size": 2,
        }
        balances = ("holders.account", "holders.balanceBaseUnits")
        page = session.show(
            self._asset_call("ListHolders", largest), Excerpt((*balances, "nextPageToken", "register"))
        ).json()
        session.say("The next page. The token is of this list: with another order or filter it is refused.")
        session.show(
            self._asset_call("ListHolders", {**largest, "page_token": page["nextPageToken"]}), Excerpt(balances)
        )
        session.say("Those who have at least so much, by address:")
        at_least = {"parent": self._asset, "min_balance_base_units": str(self._scene.holders[2][1])}
        session.show(self._asset_call("ListHolders", at_least), Excerpt(balances))
        session.say("One holder. Frozen, locked, held and cleared tokens are no part of the balance:")
        session.show(self._asset_call("GetHolder", {"name": frozen}), _ALL)
        session.show_refusal(self._asset_call("GetHolder", {"name": f"{self._asset}/holders/{_NOBODY}"}), _REFUSAL)

    def _read_figures(self) -> None:
        session = self._session
        session.say(
            "How this holding came to be, newest first; the deltas add up to it. `parent` may be the asset, too:"
        )
        changes = ("deltaBaseUnits", "restrictedDeltaBaseUnits", "blockNumber")
        session.show(
            self._asset_call("ListHolderChanges", {"parent": self._holder(0)}),
            Excerpt([f"changes.{each}" for each in changes]),
        )
        session.say("The register in figures. The share is in millionths of all that is held, rounded down:")
        session.show(
            self._asset_call("GetRegisterSummary", {"name": self._asset, "top_count": 2}),
            Excerpt((*_TOTALS, "topHolders.account", "topHolders.totalBaseUnits", "topShareMillionths")),
        )

    def _find_and_sync_assets(self) -> None:
        session = self._session
        session.head("Find assets, read a token again")
        fields = ("name", "symbol", "state", "syncState", "pauseState")
        session.show(
            self._asset_call("ListAssets", {"filter": "state=ACTIVE AND security_type=EQUITY AND symbol=EXEQ"}),
            Excerpt([f"assets.{each}" for each in fields]),
        )
        session.show_refusal(self._asset_call("ListAssets", {"filter": "symbol LIKE EX"}), _REFUSAL)
        session.say("Name, decimals, supply and pause state of the token, read from the chain again:")
        session.show(
            self._asset_call("SyncAsset", _with_request_id({"name": self._asset})),
            Excerpt(("displayName", "decimals", "totalSupplyBaseUnits", "syncTime")),
        )

    def _list_chain_events(self) -> None:
        session = self._session
        session.head("What was seen on the chain")
        session.say(
            "Oldest first. `sequence` counts what was published. The lock is not among it: its log is a transfer",
            "to nobody, after which the holding was read from the chain.",
        )
        fields = ("kind", "sequence", "blockNumber", "details")
        session.show_when(
            self._chain_call("ListChainEvents", {"asset": self._asset}),
            _shows("KIND_PAYMENT_TOKEN_DEPOSITED"),
            Excerpt((*(f"events.{each}" for each in fields), "startBlockNumber", "positionBlockNumber")),
        )
        session.say("One kind, with the log as the node gave it (base64):")
        session.show(
            self._chain_call("ListChainEvents", {"asset": self._asset, "kinds": ["KIND_PAYMENT_TOKEN_DEPOSITED"]}),
            Excerpt([f"events.{each}" for each in ("kind", "contract", "transactionHash", "topics", "data")]),
        )

    def _read_the_chain(self) -> None:
        session = self._session
        session.head("How far it is, and what the chain says")
        status = session.show(self._chain_call("GetSyncStatus", {"asset": self._asset}), _ALL).json()
        session.say("The same as a stream, a message after each change, until the caller hangs up:")
        session.show(
            self._chain_call("WatchSyncStatus", {"asset": self._asset})
            + " | grep --max-count 4 -E '(position|head)BlockNumber'"
        )
        session.say("Holdings as of any block that the node still knows, with the total supply there:")
        holders = [self._scene.holders[1][0]]
        reading = {"asset": self._asset, "holders": holders, "block_number": status["positionBlockNumber"]}
        session.show(self._chain_call("ReadHoldings", reading), _ALL)
        session.show_refusal(self._chain_call("ReadHoldings", {**reading, "block_number": _FAR_BLOCK}), _REFUSAL)
        session.say(
            "Have holdings read again and told to the register, changed or not: of some holders, of all that are",
            "known (`SCOPE_ALL_KNOWN`), or also of those that the token lists (`SCOPE_LIST_AGAIN`). While it is",
            "reading, another such call is refused as `LISTENER_BUSY`: repeat it with the same `request_id`.",
        )
        refresh = {"asset": self._asset, "scope": "SCOPE_HOLDERS", "holders": holders}
        session.show_when(
            self._chain_call("RefreshHoldings", _with_request_id(refresh)),
            _has_succeeded,
            Excerpt(("asset", "state", "progress")),
        )

    def _compare(self) -> None:
        session = self._session
        session.head("Register and chain compared")
        session.say(
            f"asset_service compares by itself. The script took {_FALSIFIED} base units from a holder in the",
            "database, as a defect might. The difference was found and published, and the holdings were read",
            "again from the chain:",
        )
        self._wait_until_following()
        asyncio.run(self._scene.falsify(self._asset_id))
        session.show_when(
            self._asset_call("ListRegisterDiscrepancies", {"parent": self._asset}), _all_are_resolved, _ALL
        )
        session.say(
            "To have all of the register read anew; with `list_again` the token is asked for its holders, too:"
        )
        anew = {"parent": self._asset, "list_again": True}
        session.show_when(
            self._asset_call("ImportHolders", _with_request_id(anew)),
            _has_succeeded,
            Excerpt(("name", "syncState")),
        )
        self._wait_until_following()

    def _look_at_listeners(self) -> None:
        session = self._session
        session.head("Listeners")
        session.say("One for each asset, under the same id.")
        fields = ("name", "state", "source", "positionBlockNumber", "lagBlocks", "lagSeconds", "lastError")
        session.show(self._chain_call("ListListeners", {}), Excerpt([f"listeners.{each}" for each in fields]))
        session.show(self._chain_call("GetListener", {"name": self._listener}), _ALL)
        session.show_refusal(self._chain_call("GetListener", {"name": f"listeners/{uuid4()}"}), _REFUSAL)

    def _administer_listeners(self) -> None:
        session = self._session
        session.say("One for a token before its import, with the holders from the token's own list at one block:")
        watched = {
            "name": f"listeners/{uuid4()}",
            "token": self._scene.watched_token,
            "holder_source": "HOLDER_SOURCE_LIST",
        }
        session.show(
            self._chain_call("UpsertListener", _with_request_id(watched)),
            Excerpt(("name", "token", "holderSource", "state")),
        )
        session.say("Stop it where it is, and let it go on:")
        for verb in ("StopListener", "StartListener"):
            session.show(self._chain_call(verb, _with_request_id({"name": watched["name"]})), _STATE)
        session.say(
            "Read the chain again from a block, as after a node that hid logs. What was told is not told again,",
            "what was missed is:",
        )
        listener = session.run(self._chain_call("GetListener", {"name": self._listener})).json()
        replay = {"name": self._listener, "from_block": int(str(listener["positionBlockNumber"])) - 10}
        session.show_when(self._chain_call("ReplayListener", _with_request_id(replay)), _has_succeeded, _STATE)
        self._wait_until_following()

    def _disable_and_enable(self) -> None:
        session = self._session
        session.head("Stop following an asset")
        session.say("The register stands still until it is followed again:")
        listener = self._chain_call("GetListener", {"name": self._listener})
        for verb, state in (("DisableSync", "STATE_STOPPED"), ("EnableSync", "STATE_FOLLOWING")):
            session.show(
                self._asset_call(verb, _with_request_id({"name": self._asset})), Excerpt(("name", "syncState"))
            )
            session.show_when(listener, _shows(state), _STATE)

    def _pause_and_unpause(self) -> None:
        session = self._session
        session.head("Pause an asset")
        session.say(
            "payout_service pauses the lifecycle contract on the chain, so that it pays nobody. Where that does",
            "not get on, `pauseProblem` tells why, such as a missing `PAUSER_ROLE`.",
        )
        asset = self._asset_call("GetAsset", {"name": self._asset})
        excerpt = Excerpt(("name", "pauseState", "pauseProblem"))
        for verb, state in (("PauseAsset", "PAUSE_STATE_PAUSED"), ("UnpauseAsset", "PAUSE_STATE_UNPAUSED")):
            session.show(self._asset_call(verb, _with_request_id({"name": self._asset})), excerpt)
            session.show_when(asset, _shows(f'"{state}"'), excerpt)

    # ------------------------------------------------------------------------------------------- calls

    def _asset_call(self, method: str, request: Mapping[str, object]) -> str:
        return f"call -d '{json.dumps(request)}' $ASSET/{method}"

    def _chain_call(self, method: str, request: Mapping[str, object]) -> str:
        return f"call -d '{json.dumps(request)}' $CHAIN_SYNC/{method}"

    def _wait_until_following(self) -> None:
        listener = self._chain_call("GetListener", {"name": self._listener})
        self._session.wait(listener, _shows("STATE_FOLLOWING"))

    def _holder(self, index: int) -> str:
        return f"{self._asset}/holders/{self._scene.holders[index][0]}"

    @property
    def _asset_id(self) -> UUID:
        return UUID(self._asset.removeprefix("assets/"))

    @property
    def _listener(self) -> str:
        return f"listeners/{self._asset_id}"


class _Scene:
    """The contracts that the session uses, on the embedded chain of a running stack, and the stack's database.

    `holders` of the token come with their first balances in base units, the largest first. Raises SessionError for
    a stack without an embedded chain, and what Devnet raises.
    """

    token: ChecksumAddress
    watched_token: ChecksumAddress
    payment_token: ChecksumAddress

    def __init__(self, stack: Stack) -> None:
        self._endpoints = stack.endpoints
        self.holders = sorted(seeded_holders(_HOLDERS, 1), key=lambda holder: -holder[1])

    async def deploy(self) -> None:
        """Makes the tokens, with holders."""
        async with self._devnet() as devnet:
            self.payment_token = await devnet.deploy_payment_token()
            self.token = await devnet.deploy_equity_token("Example Equity", "EXEQ", "US0378331005", 6)
            await devnet.issue(self.token, dict(self.holders))
            self.watched_token = await devnet.deploy_equity_token("Watched Equity", "WATC", "US5949181045", 6)
            await devnet.issue(self.watched_token, dict(seeded_holders(_HOLDERS, 2)))

    async def grant_snapshot_role(self) -> None:
        """Grants the role that the import waits for."""
        signer = self._endpoints.signer_address
        if not signer:
            raise SessionError("the stack has no signer of its own")
        async with self._devnet() as devnet:
            await devnet.grant_snapshot_role(self.token, to_checksum_address(signer))

    async def do_business(self, lifecycle_contract: ChecksumAddress) -> None:
        """Makes one movement of each kind happen to the token."""
        first, second, third, fourth, _ = (holder for holder, _ in self.holders)
        async with self._devnet() as devnet:
            now = await devnet.chain_time()
            await devnet.transfer(self.token, second, third, _MOVED)
            await devnet.freeze(self.token, first, _FROZEN)
            await devnet.lock(self.token, second, _LOCKED, now + _DAY_SECONDS)
            await devnet.block_holder(self.token, fourth)
            await devnet.set_dividend(self.token, Dividend(now + _DAY_SECONDS, now + 2 * _DAY_SECONDS, 25, 2))
            await devnet.mint_payment_token(self.payment_token, lifecycle_contract, _DEPOSIT)

    async def falsify(self, asset_id: UUID) -> None:
        """Makes the register wrong in one holding and in its total."""
        connection = await asyncpg.connect(self._endpoints.database_urls[ASSET.schema])
        try:
            async with connection.transaction():
                await connection.execute(
                    "UPDATE holders SET balance = balance - $3 WHERE asset_id = $1 AND address = $2",
                    asset_id,
                    self.holders[2][0].lower(),
                    _FALSIFIED,
                )
                await connection.execute(
                    "UPDATE registers SET total_balance = total_balance - $2 WHERE asset_id = $1",
                    asset_id,
                    _FALSIFIED,
                )
        finally:
            await connection.close()

    def _devnet(self) -> Devnet:
        if not (self._endpoints.rpc_url and self._endpoints.genesis_hash):
            raise SessionError("the stack has no embedded chain")
        return Devnet(self._endpoints.rpc_url, expected_genesis_hash=self._endpoints.genesis_hash)


def _with_request_id(request: Mapping[str, object]) -> dict[str, object]:
    return {"request_id": str(uuid4()), **request}


def _shows(text: str) -> Callable[[Answer], bool]:
    return lambda answer: text in answer.output


def _has_succeeded(answer: Answer) -> bool:
    return answer.status == 0


def _all_are_resolved(answer: Answer) -> bool:
    return 0 < answer.output.count('"createTime"') == answer.output.count('"resolveTime"')


if __name__ == "__main__":
    sys.exit(main())
