// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {SecurityToken} from "./SecurityToken.sol";

/// @notice The devnet's bond: a security token that pays coupons and is redeemed at maturity. What its two versions
/// have in common.
abstract contract Bond is SecurityToken {
    enum RateStatus {
        PENDING,
        SET
    }

    struct Coupon {
        uint256 recordDate;
        uint256 executionDate;
        uint256 startDate;
        uint256 endDate;
        uint256 fixingDate;
        uint256 rate;
        uint8 rateDecimals;
        RateStatus rateStatus;
    }

    struct RegisteredCoupon {
        Coupon coupon;
        uint256 snapshotId;
    }

    struct CouponAmount {
        uint256 numerator;
        uint256 denominator;
        bool recordDateReached;
    }

    struct BondDetails {
        bytes3 currency;
        uint256 nominalValue;
        uint8 nominalValueDecimals;
        uint256 startingDate;
        uint256 maturityDate;
    }

    bytes32 private constant COUPON = 0xae67d7582594777a585a79e27de1013a58153dbb84385c8a051ef69184e25b73;

    BondDetails internal _details;
    mapping(bytes32 actionID => Coupon) private _coupons;

    event RateSet(uint256 couponId, address indexed operator, uint256 rate, uint8 rateDecimals);

    error CouponCreationFailed();
    error CouponAlreadyExecuted(bytes32 corporateActionId, uint256 couponId);
    error RateIsSet(uint256 couponId);

    constructor(BondDetails memory details_) onlyOrderedDates(details_.startingDate, details_.maturityDate) {
        _details = details_;
    }

    // ---------------------------------------------------------------------------------- coupons

    /// @notice Announces a coupon, its yearly rate known or still pending; ids count from 1.
    function setCoupon(Coupon calldata coupon)
        external
        whenNotPaused
        onlyRole(_corporateActionRole())
        onlyOrderedDates(coupon.startDate, coupon.endDate)
        onlyOrderedDates(coupon.recordDate, coupon.executionDate)
        onlyOrderedDates(coupon.fixingDate, coupon.executionDate)
        onlyScheduledDate(coupon.recordDate)
        onlyScheduledDate(coupon.fixingDate)
        returns (uint256 couponId)
    {
        _requireInterestPeriod(coupon.endDate);
        bytes32 actionID;
        (actionID, couponId) = _announce(COUPON, coupon.recordDate, coupon.executionDate, abi.encode(coupon));
        if (actionID == 0) revert CouponCreationFailed();
        _coupons[actionID] = coupon;
        _tellCouponSet(actionID, couponId, coupon);
    }

    /// @notice Sets the rate that was pending. The devnet's own.
    function setRate(uint256 couponId, uint256 rate, uint8 rateDecimals)
        external
        whenNotPaused
        onlyRole(_corporateActionRole())
    {
        Coupon storage coupon = _coupons[_actionIDOf(COUPON, couponId)];
        if (coupon.rateStatus == RateStatus.SET) revert RateIsSet(couponId);
        coupon.rate = rate;
        coupon.rateDecimals = rateDecimals;
        coupon.rateStatus = RateStatus.SET;
        emit RateSet(couponId, msg.sender, rate, rateDecimals);
    }

    /// @notice Marks a coupon as disabled before its execution date. Its amounts are 0/0 from then on.
    function cancelCoupon(uint256 couponId)
        external
        whenNotPaused
        onlyRole(_corporateActionRole())
        returns (bool)
    {
        bytes32 actionID = _actionIDOf(COUPON, couponId);
        if (_coupons[actionID].executionDate <= block.timestamp) revert CouponAlreadyExecuted(actionID, couponId);
        _cancel(actionID);
        _tellCouponCancelled(couponId);
        return true;
    }

    function getCoupon(uint256 couponId)
        external
        view
        returns (RegisteredCoupon memory registered, bool isDisabled)
    {
        bytes32 actionID = _actionIDOf(COUPON, couponId);
        CorporateAction memory action = _action(actionID);
        return (RegisteredCoupon(_coupons[actionID], action.snapshotID), action.isDisabled);
    }

    /// @notice What a holder gets, in whole units of money, as a fraction: 0/0 before the record date and for
    /// a cancelled coupon, nothing while the rate is pending. This is the read that a coupon payout makes per
    /// holder.
    function getCouponAmountFor(uint256 couponId, address account)
        external
        view
        returns (uint256 numerator, uint256 denominator, bool recordDateReached)
    {
        _burnGas(Payment.COUPON);
        CouponAmount memory amount = _couponAmount(_couponAction(couponId), _couponOf(couponId), account);
        return (amount.numerator, amount.denominator, amount.recordDateReached);
    }

    function getCouponHolders(uint256 couponId, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory)
    {
        return _holdersAtRecordDate(_couponAction(couponId), pageIndex, pageLength);
    }

    function getTotalCouponHolders(uint256 couponId) external view returns (uint256) {
        return _holderCountAtRecordDate(_couponAction(couponId));
    }

    function getCouponCount() external view returns (uint256) {
        return _countOf(COUPON);
    }

    // ---------------------------------------------------------------------------------- maturity

    /// @notice Burns a holder's free tokens, partition by partition, whatever was paid for them. This is the call
    /// that a cash-out makes per holder.
    ///
    /// Like the real token it burns what is written down: of who has not changed since an adjustment, what there was
    /// before it.
    function fullRedeemAtMaturity(address account)
        external
        whenNotPaused
        onlyRole(_maturityRedeemerRole())
        onlyUnlisted(account)
    {
        _requireMature();
        _burnGas(_hasSnapshots() ? Payment.CASH_OUT_AFTER_SNAPSHOT : Payment.CASH_OUT);
        uint256 first = _writtenBalance(PARTITION, account);
        uint256 second = _writtenBalance(SECOND_PARTITION, account);
        if (first + second == 0) return;
        _triggerScheduled();
        if (first != 0) _redeemByPartition(PARTITION, msg.sender, account, first);
        if (second != 0) _redeemByPartition(SECOND_PARTITION, msg.sender, account, second);
    }

    // ---------------------------------------------------------------------------------- as the version has it

    function _maturityRedeemerRole() internal pure virtual returns (bytes32);

    /// @dev Reverts while nothing can be redeemed yet.
    function _requireMature() internal view virtual;

    /// @dev Reverts if a coupon's interest period may not end then.
    function _requireInterestPeriod(uint256 endDate) internal view virtual;

    function _tellCouponSet(bytes32 actionID, uint256 couponId, Coupon memory coupon) internal virtual;

    function _tellCouponCancelled(uint256 couponId) internal virtual;

    /// @dev The tokens of a coupon's holder and the decimals that they are counted with, its record date past.
    function _couponBalance(CorporateAction memory action, address account)
        internal
        view
        virtual
        returns (uint256 balance, uint8 decimals_);

    /// @dev The interest of `balance` tokens with `decimals_` decimals.
    function _interest(uint256 balance, uint256 decimals_, Coupon memory coupon)
        internal
        view
        virtual
        returns (uint256 numerator, uint256 denominator);

    // ---------------------------------------------------------------------------------- internals

    function _couponAction(uint256 couponId) internal view returns (CorporateAction memory) {
        return _action(_actionIDOf(COUPON, couponId));
    }

    function _couponOf(uint256 couponId) internal view returns (Coupon memory) {
        return _coupons[_actionIDOf(COUPON, couponId)];
    }

    function _couponAmount(CorporateAction memory action, Coupon memory coupon, address account)
        internal
        view
        returns (CouponAmount memory amount)
    {
        if (action.isDisabled || !_isRecordDatePast(action)) return amount;
        (uint256 balance, uint8 decimals_) = _couponBalance(action, account);
        (amount.numerator, amount.denominator) = _interest(balance, decimals_, coupon);
        amount.recordDateReached = true;
    }
}
