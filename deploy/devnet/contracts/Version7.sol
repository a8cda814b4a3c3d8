// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {SecurityToken} from "./SecurityToken.sol";

/// @notice What version 7 of the asset does its own way. It tells an ERC-20 Transfer of ERC-20's own calls alone,
/// after the partition's logs: a redemption at maturity has none.
abstract contract Version7 is SecurityToken {
    event TokenPaused(address indexed operator);
    event TokenUnpaused(address indexed operator);

    error TokenIsPaused();
    error TokenIsUnpaused();
    error WrongTimestamp(uint256 timestamp);

    function assetVersion() external pure override returns (uint8) {
        return 7;
    }

    /// @notice Lets the holder list follow free tokens alone, as in the real token of version 7: who has only frozen
    /// or locked tokens and receives some is listed twice; whose free tokens leave is listed no more, though frozen
    /// ones stay; and when such a one has free tokens again and they leave, the last holder falls out of the list.
    /// The devnet's own, before anybody holds anything.
    function setListFollowsFreeTokens(bool listFollowsFree) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _listFollowsFree = listFollowsFree;
    }

    function isPaused() external view returns (bool) {
        return _paused;
    }

    function pause() external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        _paused = true;
        emit TokenPaused(msg.sender);
        return true;
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        if (!_paused) revert TokenIsUnpaused();
        _paused = false;
        emit TokenUnpaused(msg.sender);
        return true;
    }

    function _requireNotPaused() internal view override {
        if (_paused) revert TokenIsPaused();
    }

    function _requireScheduledDate(uint256 timestamp) internal view override {
        if (timestamp <= block.timestamp) revert WrongTimestamp(timestamp);
    }

    function _corporateActionRole() internal pure override returns (bytes32) {
        return 0x8a139eeb747b9809192ae3de1b88acfd2568c15241a5c4f85db0443a536d77d6;
    }

    function _snapshotRole() internal pure override returns (bytes32) {
        return 0x3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da;
    }

    function _tellFirst(address from, address to, uint256 value) internal override {}

    function _tellLast(address from, address to, uint256 value) internal override {
        emit Transfer(from, to, value);
    }
}
