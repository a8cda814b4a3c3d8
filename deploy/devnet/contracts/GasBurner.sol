// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {RoleControl} from "./RoleControl.sol";

/// @notice Uses up gas for each holder who is paid, as much as the admin has set, so that payments from the
/// devnet's cheap token can be made to cost what they cost from a real one. The devnet's own.
abstract contract GasBurner is RoleControl {
    /// @dev What is paid; a redemption costs more once the bond has had a snapshot.
    enum Payment {
        SNAPSHOT,
        DIVIDEND,
        COUPON,
        CASH_OUT,
        CASH_OUT_AFTER_SNAPSHOT
    }

    /// @notice Gas used up per holder and kind of payment, on top of the true cost; 0 unless set.
    mapping(Payment payment => uint256) public gasBurn;

    function setGasBurn(Payment payment, uint256 gasPerHolder) external onlyRole(DEFAULT_ADMIN_ROLE) {
        gasBurn[payment] = gasPerHolder;
    }

    /// @dev Spins until the gas is gone; out of gas, the call fails as any other.
    function _burnGas(Payment payment) internal view {
        uint256 amount = gasBurn[payment];
        if (amount == 0) return;
        uint256 before = gasleft();
        while (before - gasleft() < amount) {}
    }
}
