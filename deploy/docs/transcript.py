"""`python -m deploy.docs.transcript`: writes docs/transcript.md from a real session with `buf curl`.

Starts the local stack (none may run), deploys devnet tokens, runs each command with bash, keeps what it printed,
and stops the stack. With `--keep-file` nothing is written: the session is only tried.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.docs.descriptors import REPOSITORY
from deploy.docs.markdown import document
from deploy.docs.recording import (
    ASSET_URL,
    CHAIN_SYNC_URL,
    DISTRIBUTION_URL,
    PAYOUT_URL,
    POLL_SECONDS,
    PORTS,
    TRY_IT,
    WAIT_SECONDS,
    Session,
    SessionError,
    call,
    preparation,
)
from deploy.local.stack import Stack

_OUTPUT = REPOSITORY / "docs" / "transcript.md"
_HOLDERS = 6
_TOTAL_DECIMAL = "1000.000007"
_SMALL_BATCHES = "export PAYOUT_SERVICE_MAX_BATCH_GAS=450000   # small batches, to see more than one"
_SOME_ADDRESS = "0x000000000000000000000000000000000000dEaD"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the script. Returns the process's exit status."""
    parser = argparse.ArgumentParser(description="Write docs/transcript.md from a real session.")
    parser.add_argument("--keep-file", action="store_true", help="run the session, write nothing")
    options = parser.parse_args(arguments)
    if any(component.running for component in Stack().components.values()):
        print("a stack is running: `make down` first", file=sys.stderr)
        return 1
    session = Session(preparation(PORTS, _SMALL_BATCHES))
    try:
        _record(session)
    except SessionError as error:
        print(f"the session went wrong:\n{error}", file=sys.stderr)
        return 1
    finally:
        down = session.run("make down")
    session.say("Stop it. Data and logs stay under `.run/`.")
    session.write("make down", down, expect_failure=False)
    if not options.keep_file:
        _OUTPUT.write_text(document(session.lines), encoding="utf-8")
        print(f"wrote {_OUTPUT.relative_to(REPOSITORY)}")
    return 0


def _record(session: Session) -> None:
    session.say(
        "# A session with a gRPC client that is not ours",
        "",
        "<!-- Made by `python -m deploy.docs.transcript`. Do not edit. -->",
    )
    session.say(
        "Every command was run by `python -m deploy.docs.transcript`, and every output is what it printed. What",
        "no command here does, the script has done on the embedded chain: it has deployed the security token and",
        "the payment token, issued to the holders, and granted `SNAPSHOT_ROLE`.",
    )
    session.say(*TRY_IT)
    session.say(
        "Ports are pinned for the commands; without that, `make status` tells the addresses. Any gRPC client will",
        "do: the services have reflection.",
    )
    session.say_preparation()
    session.say("Start the stack:")
    session.show("make up")
    session.say("## What is served")
    session.show(f"call --list-services {ASSET_URL}")
    session.show(f"call --list-methods {PAYOUT_URL}")
    health = {"service": "masspayout.asset.v1.AssetService"}
    session.show(call(ASSET_URL, "grpc.health.v1.Health/Check", health))
    asset, contract = _import(session)
    _pay(session, asset, contract)
    _operations(session)


@dataclass(frozen=True, slots=True)
class _Stage:
    """The tokens of the session on the embedded chain."""

    token: ChecksumAddress
    payment_token: ChecksumAddress


def _devnet() -> tuple[str, str, ChecksumAddress]:
    endpoints = Stack().endpoints
    if not (endpoints.rpc_url and endpoints.genesis_hash and endpoints.signer_address):
        raise SessionError("the stack has no embedded chain")
    return endpoints.rpc_url, endpoints.genesis_hash, to_checksum_address(endpoints.signer_address)


async def _stage() -> _Stage:
    rpc_url, genesis_hash, _ = _devnet()
    async with Devnet(rpc_url, expected_genesis_hash=genesis_hash) as devnet:
        payment_token = await devnet.deploy_payment_token()
        token = await devnet.deploy_equity_token("Example Equity", "EXEQ", "US0378331005", 6)
        await devnet.issue(token, dict(seeded_holders(_HOLDERS, 1)))
        return _Stage(token, payment_token)


async def _grant(token: ChecksumAddress) -> None:
    rpc_url, genesis_hash, signer = _devnet()
    async with Devnet(rpc_url, expected_genesis_hash=genesis_hash) as devnet:
        await devnet.grant_snapshot_role(token, signer)


def _import(session: Session) -> tuple[str, ChecksumAddress]:
    session.say("## Import an asset")
    stage = asyncio.run(_stage())
    session.say(
        f"On the embedded chain the script has deployed an equity token with {_HOLDERS} holders and a payment",
        "token (6 decimals). No lifecycle contract is named, so payout_service deploys one.",
    )
    request = {"request_id": str(uuid4()), "token": stage.token, "payment_token": stage.payment_token}
    service = "masspayout.asset.v1.AssetService"
    name = str(session.show(call(ASSET_URL, f"{service}/ImportAsset", request)).json()["name"])
    session.say(
        "`readiness` says what is missing and who can help. The token's admin now grants `SNAPSHOT_ROLE` to the",
        "signer, and the asset becomes active by itself.",
    )
    asyncio.run(_grant(stage.token))
    active = session.show_when(
        call(ASSET_URL, f"{service}/GetAsset", {"name": name}),
        lambda answer: '"STATE_ACTIVE"' in answer.output and f'"holderCount": "{_HOLDERS}"' in answer.output,
    ).json()
    contract = active["lifecycleContract"]
    if not isinstance(contract, dict):
        raise SessionError("an active asset without a lifecycle contract")
    session.show(call(ASSET_URL, f"{service}/ListHolders", {"parent": name, "page_size": 2}))
    status = {"asset": name}
    session.show(call(CHAIN_SYNC_URL, "masspayout.chain_sync.v1.ChainSyncService/GetSyncStatus", status))
    session.say("The same request again makes no second asset; the same id with other content is refused.")
    session.show(call(ASSET_URL, f"{service}/ImportAsset", request) + " | grep '\"name\"'")
    other = {**request, "payment_token": _SOME_ADDRESS}
    session.show_refusal(call(ASSET_URL, f"{service}/ImportAsset", other))
    session.say("`buf curl` prints the error details undecoded (grpcurl decodes them). `reason` reads them:")
    session.show(call(ASSET_URL, f"{service}/ImportAsset", other) + " 2>&1 | reason")
    return name, to_checksum_address(contract["evmAddress"])


def _pay(session: Session, asset: str, contract: ChecksumAddress) -> None:
    service = "masspayout.distribution.v1.DistributionService"
    session.say("## Pay its holders")
    terms = {"total_amount": {"decimal_amount": _TOTAL_DECIMAL}}
    request = {"request_id": str(uuid4()), "asset": asset, "terms": terms}
    create = call(DISTRIBUTION_URL, f"{service}/CreateDistribution", request)
    session.say("There is no money in the lifecycle contract yet. Nothing is written when a call is refused.")
    deadline = time.monotonic() + WAIT_SECONDS
    while "ASSET_NOT_YET_KNOWN" in session.run(create).output and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    session.show_refusal(create)
    session.say("Deposit the total, as only the embedded chain allows: the payment tokens are made for it.")
    deposit = f".venv/bin/python -m deploy.devnet.deposit --contract {contract} --amount {_TOTAL_DECIMAL}"
    session.show(deposit)
    session.say("Then:")
    preview = {"asset": asset, "terms": terms}
    session.show(call(DISTRIBUTION_URL, f"{service}/PreviewDistribution", preview))
    created = session.show(create).json()
    session.say("Follow it to its end:")
    watch = call(DISTRIBUTION_URL, f"{service}/WatchDistribution", {"name": created["name"]})
    states = session.show(watch + ' | grep -o \'"state": "[A-Z_]*"\'')
    if "STATE_COMPLETED" not in states.output:
        raise SessionError(states.output)
    payouts = "masspayout.payout.v1.PayoutService"
    payout = created["payout"]
    session.show(call(PAYOUT_URL, f"{payouts}/GetPayout", {"name": payout}))
    session.show(call(PAYOUT_URL, f"{payouts}/ListBatches", {"parent": payout}))
    session.say("Who got what in which transaction, two payments a page:")
    page = session.show(call(PAYOUT_URL, f"{payouts}/ListPayments", {"parent": payout, "page_size": 2})).json()
    following = {"parent": payout, "page_size": 2, "page_token": page["nextPageToken"]}
    session.show(call(PAYOUT_URL, f"{payouts}/ListPayments", following) + " | grep '\"name\"'")


def _operations(session: Session) -> None:
    service = "masspayout.operations.v1.OperationsService"
    session.say("## Operations")
    session.say("Each service answers for itself. No event has failed:")
    session.show(call(PAYOUT_URL, f"{service}/ListDeadLetters", {}))
    session.say("Publish what asset_service has published before, again. Consumers ignore what they know:")
    session.show(call(ASSET_URL, f"{service}/ReplayOutbox", {"request_id": str(uuid4())}))


if __name__ == "__main__":
    sys.exit(main())
