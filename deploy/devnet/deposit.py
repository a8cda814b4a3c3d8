"""`python -m deploy.devnet.deposit`: deposits payment tokens in a lifecycle contract on the embedded chain.

The tokens are created for it. The stack must run (`make up`, or `make demo KEEP=1`); no other chain is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address
from web3.exceptions import Web3Exception

from deploy.devnet.artifacts import ArtifactError
from deploy.devnet.deployer import Devnet, DevnetError
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from libs.chain.amount import format_decimal_amount, parse_decimal_amount, require_positive
from libs.errors import AppError
from libs.evm.interfaces import GET_PAYMENT_TOKEN, GET_PAYMENT_TOKEN_DECIMALS
from libs.evm.rpc import JsonRpc
from libs.evm.tokens import erc20_balance, try_call


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the deposit and prints what the contract holds afterwards. Returns the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.devnet.deposit",
        description="Create payment tokens for a lifecycle contract on the embedded chain.",
    )
    parser.add_argument("--contract", required=True, help="the asset's lifecycleContract, 0x and 40 digits")
    parser.add_argument("--amount", required=True, help="in whole payment tokens, for example 1000.50")
    options = parser.parse_args(arguments)
    try:
        print(asyncio.run(_deposit(options.contract, options.amount)))
    except (AppError, ArtifactError, DevnetError, StackError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (OSError, Web3Exception) as error:
        print(f"error: the embedded chain: {error}", file=sys.stderr)
        return 1
    return 0


async def _deposit(contract_text: str, amount_text: str) -> str:
    if not is_address(contract_text):
        raise DevnetError(f"--contract {contract_text}: expected 0x and 40 hexadecimal digits")
    contract = to_checksum_address(contract_text)
    stack = Stack()
    if stack.anvil is None or not stack.anvil.running:
        raise DevnetError("the embedded chain does not run: `make up` starts it")
    endpoints = stack.endpoints
    if endpoints.rpc_url is None or endpoints.genesis_hash is None:
        raise DevnetError("the stack has not recorded its embedded chain: `make up` does")
    rpc = JsonRpc(endpoints.rpc_url)
    try:
        async with Devnet(endpoints.rpc_url, expected_genesis_hash=endpoints.genesis_hash) as devnet:
            payment_token, decimals = await _payment_token(rpc, contract)
            amount = require_positive(parse_decimal_amount(amount_text, decimals, "--amount"), "--amount")
            await devnet.mint_payment_token(payment_token, contract, amount)
            held = await erc20_balance(rpc, payment_token, contract)
    finally:
        await rpc.close()
    deposited, holds = (format_decimal_amount(each, decimals=decimals) for each in (amount, held))
    return f"deposited {deposited}; {contract} holds {holds} of {payment_token}"


async def _payment_token(rpc: JsonRpc, contract: str) -> tuple[ChecksumAddress, int]:
    token = await try_call(rpc, contract, GET_PAYMENT_TOKEN, block="latest")
    decimals = await try_call(rpc, contract, GET_PAYMENT_TOKEN_DECIMALS, block="latest")
    if token is None or decimals is None:
        raise DevnetError(f"{contract} is no lifecycle contract: it names no payment token")
    return to_checksum_address(token[0]), decimals[0]


if __name__ == "__main__":
    sys.exit(main())
