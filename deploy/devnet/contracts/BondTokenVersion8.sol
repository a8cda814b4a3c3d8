// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {Bond} from "./Bond.sol";
import {SecurityToken} from "./SecurityToken.sol";
import {Version8} from "./Version8.sol";

/// @notice The devnet's bond of version 8. It counts money that a token is worth in the token's own decimals, and
/// rounds it down to those.
contract BondTokenVersion8 is Bond, Version8 {
    event CouponSet(
        bytes32 indexed corporateActionId, uint256 indexed couponId, address indexed operator, Coupon coupon
    );
    event CouponCancelled(uint256 indexed couponId, address indexed operator);

    error MaturityDateInvalid();

    /// @param securityType_ 0 for a bond of variable rate, 2 of fixed rate, 4 for a loan, 5 for a deposit token.
    constructor(
        string memory name_,
        string memory symbol_,
        string memory isin_,
        uint8 decimals_,
        address admin_,
        uint8 securityType_,
        BondDetails memory details_
    ) SecurityToken(name_, symbol_, isin_, decimals_, admin_, securityType_) Bond(details_) {}

    function getMaturityDate() external view returns (uint256) {
        return _details.maturityDate;
    }

    /// @notice The nominal value of all of a holder's tokens, those that a redemption leaves included, in whole units
    /// of money, as a fraction.
    function getPrincipalFor(address account) external view returns (uint256 numerator, uint256 denominator) {
        return (_nominalValueOf(getTotalBalanceFor(account)), 10 ** uint256(decimals));
    }

    function getCouponFor(uint256 couponId, address account)
        external
        view
        returns (
            uint256 tokenBalance,
            uint8 decimals_,
            uint256 nominalValue,
            uint256 nominalValueDecimals,
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
            nominalValueDecimals = _details.nominalValueDecimals;
        }
    }

    function _maturityRedeemerRole() internal pure override returns (bytes32) {
        return 0x433f48f8aca23480f6ab07666cbc9131d32a0b4672033453f65e18f4dd390523;
    }

    function _requireMature() internal view override {
        if (block.timestamp < _details.maturityDate) revert MaturityDateInvalid();
    }

    function _requireInterestPeriod(uint256 endDate)
        internal
        view
        override
        onlyOrderedDates(endDate, _details.maturityDate)
    {}

    function _tellCouponSet(bytes32 actionID, uint256 couponId, Coupon memory coupon) internal override {
        emit CouponSet(actionID, couponId, msg.sender, coupon);
    }

    function _tellCouponCancelled(uint256 couponId) internal override {
        emit CouponCancelled(couponId, msg.sender);
    }

    function _couponBalance(CorporateAction memory action, address account)
        internal
        view
        override
        returns (uint256 balance, uint8 decimals_)
    {
        return _balanceAtRecordDate(action, account);
    }

    function _interest(uint256 balance, uint256 decimals_, Coupon memory coupon)
        internal
        view
        override
        returns (uint256 numerator, uint256 denominator)
    {
        numerator = _nominalValueOf(balance) * coupon.rate * (coupon.endDate - coupon.startDate);
        denominator = 10 ** (decimals_ + coupon.rateDecimals) * 365 days;
    }

    /// @dev In units of money with as many decimals as the token.
    function _nominalValueOf(uint256 balance) private view returns (uint256) {
        return balance * _details.nominalValue / 10 ** uint256(_details.nominalValueDecimals);
    }
}
