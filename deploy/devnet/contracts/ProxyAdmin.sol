// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IUpgradeableProxy} from "./TransparentUpgradeableProxy.sol";

/// @notice Owns the right to upgrade proxies, so that its owner's account can still use them.
contract ProxyAdmin {
    address public owner;

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    error NotOwner(address caller);
    error ZeroAddress();

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        _;
    }

    constructor(address initialOwner) {
        _setOwner(initialOwner);
    }

    function transferOwnership(address newOwner) external onlyOwner {
        _setOwner(newOwner);
    }

    function upgradeAndCall(address proxy, address implementation, bytes calldata data) external payable onlyOwner {
        IUpgradeableProxy(proxy).upgradeToAndCall{value: msg.value}(implementation, data);
    }

    function _setOwner(address newOwner) private {
        if (newOwner == address(0)) revert ZeroAddress();
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }
}
