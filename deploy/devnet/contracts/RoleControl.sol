// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @notice Roles by hash, shared by the devnet's security token and lifecycle contract.
/// Devnet only: it stands in for contracts that others deploy and speaks their interface.
abstract contract RoleControl {
    bytes32 internal constant DEFAULT_ADMIN_ROLE = bytes32(0);

    mapping(bytes32 role => mapping(address account => bool)) private _members;

    event RoleGranted(address indexed operator, address indexed account, bytes32 indexed role);
    event RoleRevoked(address indexed operator, address indexed account, bytes32 indexed role);

    error AccountHasNoRole(address account, bytes32 role);
    error AccountAssignedToRole(bytes32 role, address account);
    error AccountNotAssignedToRole(bytes32 role, address account);

    modifier onlyRole(bytes32 role) {
        if (!_members[role][msg.sender]) revert AccountHasNoRole(msg.sender, role);
        _;
    }

    /// @dev Roles of a paused contract cannot be granted or revoked; the contract says with which error.
    function _requireNotPaused() internal view virtual;

    function grantRole(bytes32 role, address account) external {
        _requireNotPaused();
        _grantByAdmin(role, account);
    }

    function revokeRole(bytes32 role, address account) external {
        _requireNotPaused();
        _revokeByAdmin(role, account);
    }

    /// @notice Gives up a role of the caller's own; allowed while paused.
    function renounceRole(bytes32 role) external {
        _revoke(role, msg.sender);
    }

    function hasRole(bytes32 role, address account) external view returns (bool) {
        return _members[role][account];
    }

    function _grant(bytes32 role, address account) internal {
        if (_members[role][account]) revert AccountAssignedToRole(role, account);
        _members[role][account] = true;
        emit RoleGranted(msg.sender, account, role);
    }

    function _grantByAdmin(bytes32 role, address account) private onlyRole(DEFAULT_ADMIN_ROLE) {
        _grant(role, account);
    }

    function _revokeByAdmin(bytes32 role, address account) private onlyRole(DEFAULT_ADMIN_ROLE) {
        _revoke(role, account);
    }

    function _revoke(bytes32 role, address account) private {
        if (!_members[role][account]) revert AccountNotAssignedToRole(role, account);
        _members[role][account] = false;
        emit RoleRevoked(msg.sender, account, role);
    }
}
