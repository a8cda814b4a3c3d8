// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {Bond} from "./Bond.sol";
import {SecurityToken} from "./SecurityToken.sol";
import {Version7} from "./Version7.sol";

/// @notice The devnet's bond of version 7.
contract BondToken is Bond, Version7 {
    /// @notice Whether a burn tells what it tells in the npm package 2.0.0: RedeemedByPartition and nothing else.
    bool public burnsLikePackage2;

    event CouponSet(bytes32 corporateActionId, uint256 couponId, address indexed operator, Coupon coupon);
    event CouponCancelled(uint256 couponId, address indexed operator);

    error BondMaturityDateWrong();

    /// @param securityType_ 0 for a bond of variable rate, 2 of fixed rate.
    constructor(
        string memory name_,
        string memory symbol_,
        string memory isin_,
        uint8 decimals_,
        address admin_,
        uint8 securityType_,
        BondDetails memory details_
    ) SecurityToken(name_, symbol_, isin_, decimals_, admin_, securityType_) Bond(details_) {}

    /// @notice The devnet's own.
    function setBurnsLikePackage2(bool likePackage2) external onlyRole(DEFAULT_ADMIN_ROLE) {
        burnsLikePackage2 = likePackage2;
    }

    function getBondDetails()
        external
        view
        returns (
            bytes3 currency,
            uint256 nominalValue,
            uint8 nominalValueDecimals,
            uint256 startingDate,
            uint256 maturityDate
        )
    {
        BondDetails memory details = _details;
        return (
            details.currency,
            details.nominalValue,
            details.nominalValueDecimals,
            details.startingDate,
            details.maturityDate
        );
    }

    /// @notice The nominal value of a holder's free tokens, in whole units of money, as a fraction.
    function getPrincipalFor(address account) external view returns (uint256 numerator, uint256 denominator) {
        numerator = balanceOf(account) * _details.nominalValue;
        denominator = 10 ** (uint256(decimals) + _details.nominalValueDecimals);
    }

    function getCouponFor(uint256 couponId, address account)
        external
        view
        returns (
            uint256 tokenBalance,
            uint256 nominalValue,
            uint8 decimals_,
            bool recordDateReached,
            Coupon memory coupon,
            CouponAmount memory couponAmount,
            bool isDisabled
        )
    {
        CorporateAction memory action = _couponAction(couponId);
        coupon = _couponOf(couponId);
        couponAmount = _couponAmount(action, coupon, account);
        isDisabled = action.isDisabled;
        recordDateReached = couponAmount.recordDateReached;
        if (recordDateReached) {
            (tokenBalance, decimals_) = _couponBalance(action, account);
            nominalValue = _details.nominalValue;
        }
    }

    function _redeemByPartition(bytes32 partition, address operator, address holder, uint256 value) internal override {
        if (!burnsLikePackage2) return super._redeemByPartition(partition, operator, holder, value);
        _burn(partition, holder, value);
        emit RedeemedByPartition(partition, operator, holder, value, "", "");
    }

    function _maturityRedeemerRole() internal pure override returns (bytes32) {
        return 0xa0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c;
    }

    /// @dev On the maturity date itself, when the lifecycle contract already pays, it is too early.
    function _requireMature() internal view override {
        if (block.timestamp <= _details.maturityDate) revert BondMaturityDateWrong();
    }

    function _requireInterestPeriod(uint256 endDate) internal view override {}

    function _tellCouponSet(bytes32 actionID, uint256 couponId, Coupon memory coupon) internal override {
        emit CouponSet(actionID, couponId, msg.sender, coupon);
    }

    function _tellCouponCancelled(uint256 couponId) internal override {
        emit CouponCancelled(couponId, msg.sender);
    }

    /// @dev The tokens are those of the record date, the decimals those of now.
    function _couponBalance(CorporateAction memory action, address account)
        internal
        view
        override
        returns (uint256 balance, uint8 decimals_)
    {
        (balance,) = _balanceAtRecordDate(action, account);
        decimals_ = decimals;
    }

    function _interest(uint256 balance, uint256 decimals_, Coupon memory coupon)
        internal
        view
        override
        returns (uint256 numerator, uint256 denominator)
    {
        numerator = balance * _details.nominalValue * coupon.rate * (coupon.endDate - coupon.startDate);
        denominator = 10 ** (decimals_ + _details.nominalValueDecimals + coupon.rateDecimals) * 365 days;
    }
}
