"""SCENARIO=snapshot: splits a total over the holders at a snapshot that payout_service takes."""

from __future__ import annotations

from deploy.demo.follow import Following
from deploy.demo.outcome import Outcome
from deploy.demo.payout import create, preview, terms_of_total
from deploy.demo.scene import DECIMALS, Scene
from deploy.demo.settings import DemoError
from deploy.demo.verify import verify
from libs.protogen.typed.masspayout.distribution.v1 import DistributionState


async def pay_snapshot(scene: Scene) -> Outcome:
    """Runs the scenario: shows each step and checks the result."""
    settings, total = scene.settings, scene.settings.total_base_units
    scene.tell(
        "Issuing",
        f"an equity token (version {settings.version}) to {settings.holder_count:,} holders "
        f"(seed {settings.seed})",
    )
    payment_token = await scene.devnet.deploy_payment_token()
    token = await scene.devnet.deploy_equity_token(
        "Demo Equity", "DEMO", "US0378331005", DECIMALS, settings.version
    )
    holders = scene.holders()
    await scene.devnet.issue(token, holders)
    listing = await scene.import_token(token, payment_token, holders)
    await scene.deposit(listing, total)
    terms = terms_of_total(total)
    seen = await preview(scene.client, listing.asset, terms)
    if seen.payable_amount is None or seen.rounding_dust is None:
        raise DemoError("the preview has no amounts")
    scene.tell(
        "Preview",
        f"{seen.payable_amount.decimal_amount} {seen.payable_amount.symbol} to "
        f"{seen.holder_count - seen.zero_due_count:,} holders, {seen.zero_due_count:,} are due less than a "
        f"base unit, rounding leaves {seen.rounding_dust.decimal_amount}",
    )
    async with Following(scene, await create(scene.client, listing.asset, terms)) as following:
        paid = await following.end(DistributionState.COMPLETED, DistributionState.INCOMPLETE)
    scene.tell("Verifying", "every balance on the chain with plain web3")
    verification = await verify(scene.rpc_url, holders, token, payment_token, listing.contract, total)
    return Outcome(paid, total, verification)
