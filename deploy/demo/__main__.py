"""`python -m deploy.demo`: exit status 0 only when every holder's balance was verified on the chain."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from types import FrameType

from eth_utils.address import to_checksum_address
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from deploy.demo.payout import (
    PaidDistribution,
    import_asset,
    pay,
    preview,
    wait_for_register,
    wait_until_active,
)
from deploy.demo.settings import DemoError, DemoSettings
from deploy.demo.verify import Verification, verify
from deploy.devnet.deployer import Devnet, DevnetError, seeded_holders
from deploy.local.errors import StackError
from deploy.local.settings import REPOSITORY, StackSettings
from deploy.local.stack import Endpoints, Stack
from libs.chain.amount import format_decimal_amount
from libs.client.client import Endpoints as ClientEndpoints
from libs.client.client import MassPayoutClient
from libs.errors import AppError
from libs.protogen.typed.masspayout.distribution.v1 import Distribution

_DECIMALS = 6
_RESULT = REPOSITORY / ".run" / "demo.json"
_SHOWN_BATCHES = 20


def main() -> int:
    """Runs the demo; the process's exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Without a terminal (a pipe, a CI log) wide enough for whole transaction hashes.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    try:
        settings = DemoSettings.load()
        stack = Stack(
            StackSettings(
                service_environment={
                    "payout_service": {"PAYOUT_SERVICE_MAX_BATCH_GAS": str(settings.max_batch_gas)}
                }
            ),
            report=lambda line: console.print(f"  {line}", style="dim"),
        )
        if stack.running:
            raise DemoError("the local stack is running already: `make down` first, the demo starts its own")
        return _run(settings, stack, console)
    except (DemoError, DevnetError, StackError, AppError) as error:
        console.print(f"error: {error}", style="bold red")
        return 1
    except KeyboardInterrupt:
        console.print("\ninterrupted: everything that was started has been stopped")
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(settings: DemoSettings, stack: Stack, console: Console) -> int:
    began = time.monotonic()
    is_kept = False
    try:
        console.print("[bold]Starting[/] PostgreSQL, NATS, an EVM chain and the four services")
        endpoints = stack.start()
        paid, verification = asyncio.run(_demonstrate(settings, endpoints, console))
        seconds = round(time.monotonic() - began, 1)
        is_kept = settings.keep
    finally:
        if not is_kept:
            stack.stop()
    _print_batches(paid, console)
    result = {
        "holders": settings.holder_count,
        "paid": paid.payout.paid_count,
        "zero_due": paid.payout.zero_due_count,
        "failed": paid.payout.failed_count,
        "total_base_units": str(settings.total_base_units),
        "dust_base_units": str(verification.left_in_contract_base_units),
        "batches": len(paid.batches),
        "seconds": seconds,
        "verified": verification.is_verified,
        "distribution": paid.distribution.name,
    }
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    _RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for difference in verification.differences[:10]:
        console.print(f"DIFFERENCE: {difference}", style="bold red")
    console.print_json(data=result)
    if is_kept:
        console.print("The stack keeps running: `make status`, `make logs`, `make down`.")
    return 0 if verification.is_verified else 1


async def _demonstrate(
    settings: DemoSettings, endpoints: Endpoints, console: Console
) -> tuple[PaidDistribution, Verification]:
    if endpoints.rpc_url is None or endpoints.genesis_hash is None or endpoints.signer_address is None:
        raise DemoError("the stack came up without its embedded chain")
    signer = to_checksum_address(endpoints.signer_address)
    services = endpoints.services
    addresses = ClientEndpoints(
        asset=services["asset_service"],
        distribution=services["distribution_service"],
        payout=services["payout_service"],
        chain_sync=services["chain_sync_service"],
    )
    total = settings.total_base_units
    async with (
        Devnet(endpoints.rpc_url, expected_genesis_hash=endpoints.genesis_hash) as devnet,
        MassPayoutClient(addresses) as client,
    ):
        console.print(
            f"[bold]Issuing[/] an equity token to {settings.holder_count:,} holders (seed {settings.seed})"
        )
        payment_token = await devnet.deploy_payment_token()
        token = await devnet.deploy_equity_token("Demo Equity", "DEMO", "US0378331005", 6)
        holders = dict(seeded_holders(settings.holder_count, settings.seed))
        await devnet.issue(token, holders)

        console.print("[bold]Importing[/] it; payout_service deploys the lifecycle contract")
        asset = await import_asset(client, token, payment_token)
        for condition in asset.readiness:
            if not condition.satisfied:
                console.print(f"  open: {condition.detail} -> {condition.remedy}", style="dim")
        await devnet.grant_snapshot_role(token, signer)
        asset = await wait_until_active(client, asset.name)
        if asset.lifecycle_contract is None:
            raise DemoError("the asset is active without a lifecycle contract")
        contract = to_checksum_address(asset.lifecycle_contract.evm_address)
        console.print(f"  active: {asset.name}, lifecycle contract {contract}", style="dim")
        seconds = await wait_for_register(client, asset.name, settings.holder_count)
        console.print(f"  the register of holders is complete after {seconds} s", style="dim")

        await devnet.mint_payment_token(payment_token, contract, total)
        seen = await preview(client, asset.name, total)
        if seen.payable_amount is None or seen.rounding_dust is None:
            raise DemoError("the preview has no amounts")
        console.print(
            f"[bold]Preview[/] {seen.payable_amount.decimal_amount} {seen.payable_amount.symbol} to "
            f"{seen.holder_count - seen.zero_due_count:,} holders, {seen.zero_due_count:,} are due less than a "
            f"base unit, rounding leaves {seen.rounding_dust.decimal_amount}"
        )
        paid = await _pay(client, asset.name, settings, console)
        console.print("[bold]Verifying[/] every balance on the chain with plain web3")
        verification = await verify(endpoints.rpc_url, holders, token, payment_token, contract, total)
    return paid, verification


async def _pay(client: MassPayoutClient, asset: str, settings: DemoSettings, console: Console) -> PaidDistribution:
    columns = (
        TextColumn("[bold]Paying[/] {task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("released", total=settings.holder_count)

        def show(distribution: Distribution) -> None:
            done = distribution.progress
            settled = done.paid_count + done.failed_count + done.zero_due_count if done else 0
            state = distribution.state.name or ""
            progress.update(task, completed=settled, description=state.lower().replace("_", " "))

        return await pay(client, asset, settings.total_base_units, 120 + settings.holder_count, show)


def _print_batches(paid: PaidDistribution, console: Console) -> None:
    transaction = Column("transaction", overflow="fold")
    table = Table("batch", transaction, "gas", "holders", "amount", title=paid.payout.name)
    for batch in paid.batches[:_SHOWN_BATCHES]:
        amount = batch.amount.decimal_amount if batch.amount else ""
        number = batch.name.rsplit("/", 1)[1]
        table.add_row(number, batch.transaction_hash, f"{batch.gas_used:,}", str(batch.holder_count), amount)
    hidden = paid.batches[_SHOWN_BATCHES:]
    if hidden:
        table.add_row(
            "...",
            f"{len(hidden)} more",
            f"{sum(batch.gas_used for batch in hidden):,}",
            str(sum(batch.holder_count for batch in hidden)),
            "",
        )
    total = sum(int(batch.amount.base_units) for batch in paid.batches if batch.amount)
    table.add_section()
    table.add_row(
        "",
        f"{len(paid.batches)} batches",
        f"{sum(batch.gas_used for batch in paid.batches):,}",
        str(sum(batch.holder_count for batch in paid.batches)),
        format_decimal_amount(total, _DECIMALS),
    )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
