// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {SecurityToken} from "./SecurityToken.sol";

/// @notice What version 8 of the asset does its own way. It tells an ERC-20 Transfer of every movement, before the
/// partition's logs, and of freezing, too. A record date may lie in the past.
abstract contract Version8 is SecurityToken {
    event Paused(address indexed operator);
    event Unpaused(address indexed operator);

    error IsPaused();
    error IsUnpaused();
    error InvalidTimestamp();

    function assetVersion() external pure override returns (uint8) {
        return 8;
    }

    function paused() external view returns (bool) {
        return _paused;
    }

    function pause() external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        _paused = true;
        emit Paused(msg.sender);
        return true;
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        if (!_paused) revert IsUnpaused();
        _paused = false;
        emit Unpaused(msg.sender);
        return true;
    }

    function _requireNotPaused() internal view override {
        if (_paused) revert IsPaused();
    }

    function _requireScheduledDate(uint256 timestamp) internal pure override {
        if (timestamp == 0) revert InvalidTimestamp();
    }

    function _corporateActionRole() internal pure override returns (bytes32) {
        return 0xa1acfc499025c99f55059195e6276f639d34a18aad7b8121b9192b7f438c55cd;
    }

    function _snapshotRole() internal pure override returns (bytes32) {
        return 0xf7d999723d2160432933a2aeffaae83e262a5a46fe94f34614a7676d1d1f67c6;
    }

    function _tellFirst(address from, address to, uint256 value) internal override {
        emit Transfer(from, to, value);
    }

    function _tellLast(address from, address to, uint256 value) internal override {}
}
