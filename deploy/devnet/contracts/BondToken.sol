// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {SecurityToken} from "./SecurityToken.sol";

/// @notice The devnet's bond: a security token that pays coupons and is redeemed at maturity.
contract BondToken is SecurityToken {
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

    bytes32 internal constant MATURITY_REDEEMER_ROLE =
        0xa0d696902e9ed231892dc96649f0c62b808a1cb9dd1269e78e0adc1cc4b8358c;
    bytes32 private constant COUPON = 0xae67d7582594777a585a79e27de1013a58153dbb84385c8a051ef69184e25b73;

    BondDetails private _details;
    mapping(bytes32 actionID => Coupon) private _coupons;

    event CouponSet(bytes32 corporateActionId, uint256 couponId, address indexed operator, Coupon coupon);
    event CouponCancelled(uint256 couponId, address indexed operator);
    event RateSet(uint256 couponId, address indexed operator, uint256 rate, uint8 rateDecimals);

    error CouponCreationFailed();
    error CouponAlreadyExecuted(bytes32 corporateActionId, uint256 couponId);
    error RateIsSet(uint256 couponId);
    error MaturityNotReached(uint256 maturityDate);

    /// @param securityType_ 0 for a bond of variable rate, 2 of fixed rate.
    constructor(
        string memory name_,
        string memory symbol_,
        string memory isin_,
        uint8 decimals_,
        address admin_,
        uint8 securityType_,
        BondDetails memory details_
    )
        SecurityToken(name_, symbol_, isin_, decimals_, admin_, securityType_)
        onlyOrderedDates(details_.startingDate, details_.maturityDate)
    {
        _details = details_;
    }

    // ---------------------------------------------------------------------------------- coupons

    /// @notice Announces a coupon, its yearly rate known or still pending; ids count from 1.
    function setCoupon(Coupon calldata coupon)
        external
        whenNotPaused
        onlyRole(CORPORATE_ACTION_ROLE)
        onlyOrderedDates(coupon.startDate, coupon.endDate)
        onlyOrderedDates(coupon.recordDate, coupon.executionDate)
        onlyOrderedDates(coupon.fixingDate, coupon.executionDate)
        onlyFuture(coupon.recordDate)
        returns (uint256 couponId)
    {
        bytes32 actionID;
        (actionID, couponId) = _announce(COUPON, coupon.recordDate, coupon.executionDate, abi.encode(coupon));
        if (actionID == 0) revert CouponCreationFailed();
        _coupons[actionID] = coupon;
        emit CouponSet(actionID, couponId, msg.sender, coupon);
    }

    /// @notice Sets the rate that was pending. The devnet's own.
    function setRate(uint256 couponId, uint256 rate, uint8 rateDecimals)
        external
        whenNotPaused
        onlyRole(CORPORATE_ACTION_ROLE)
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
        onlyRole(CORPORATE_ACTION_ROLE)
        returns (bool)
    {
        bytes32 actionID = _actionIDOf(COUPON, couponId);
        if (_coupons[actionID].executionDate <= block.timestamp) revert CouponAlreadyExecuted(actionID, couponId);
        _cancel(actionID);
        emit CouponCancelled(couponId, msg.sender);
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
        coupon = _coupons[_actionIDOf(COUPON, couponId)];
        couponAmount = _couponAmount(action, coupon, account);
        isDisabled = action.isDisabled;
        recordDateReached = couponAmount.recordDateReached;
        if (recordDateReached) {
            (tokenBalance, decimals_) = _balanceAtRecordDate(action, account);
            nominalValue = _details.nominalValue;
        }
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
        CouponAmount memory amount =
            _couponAmount(_couponAction(couponId), _coupons[_actionIDOf(COUPON, couponId)], account);
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

    /// @notice Burns a holder's free tokens, whatever was paid for them. This is the call that a cash-out makes
    /// per holder.
    function fullRedeemAtMaturity(address account)
        external
        whenNotPaused
        onlyRole(MATURITY_REDEEMER_ROLE)
        onlyUnlisted(account)
    {
        if (block.timestamp < _details.maturityDate) revert MaturityNotReached(_details.maturityDate);
        _burnGas(_hasSnapshots() ? Payment.CASH_OUT_AFTER_SNAPSHOT : Payment.CASH_OUT);
        uint256 balance = balanceOf(account);
        if (balance == 0) return;
        _triggerScheduled();
        _redeem(account, balance);
    }

    // ---------------------------------------------------------------------------------- internals

    function _couponAction(uint256 couponId) private view returns (CorporateAction memory) {
        return _action(_actionIDOf(COUPON, couponId));
    }

    function _couponAmount(CorporateAction memory action, Coupon memory coupon, address account)
        private
        view
        returns (CouponAmount memory)
    {
        if (action.isDisabled || !_isRecordDatePast(action)) return CouponAmount(0, 0, false);
        (uint256 balance, uint8 decimalsThen) = _balanceAtRecordDate(action, account);
        uint256 period = coupon.endDate - coupon.startDate;
        uint256 numerator = balance * _details.nominalValue * coupon.rate * period;
        uint256 digits = uint256(decimalsThen) + _details.nominalValueDecimals + coupon.rateDecimals;
        return CouponAmount(numerator, 10 ** digits * 365 days, true);
    }
}
