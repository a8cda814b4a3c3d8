// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @notice Makes several calls in one transaction, as somebody else's contract may: then one receipt holds the logs of
/// all of them. The devnet's own.
contract CallsInOne {
    function run(address[] calldata targets, bytes[] calldata calls) external {
        for (uint256 i = 0; i < targets.length; ++i) {
            (bool done, bytes memory answer) = targets[i].call(calls[i]);
            if (done) continue;
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}
