// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IAsset, IBond, IBondVersion7, IEquity} from "./IAsset.sol";
import {RegisteredCoupon, RegisteredDividend} from "./IAsset.sol";
import {PayoutTreasury} from "./PayoutTreasury.sol";

/// @notice The devnet's lifecycle contract: pays the holders of one asset from its own balance of one payment
/// token: shares of an amount as they stood at a snapshot, dividends or coupons (distributions), and the
/// principal of a bond at maturity (cash-out). Lives behind a proxy. The asset is of version 7;
/// of version 8 everything but a cash-out works, too.
///
/// It keeps the surprises of the contract that it stands in for. A holder already paid is reported as failed.
/// A transfer that fails concerns its payee alone. Arrays are as long as the page, filled from the front and
/// padded with zeros. Amounts are floored per holder and the dust stays. A cancelled dividend is paid. A
/// cash-out knows no paid flag: what it pays is what the holder still has.
contract LifeCycleCashFlow is PayoutTreasury {
    /// @dev 100 % with two decimals.
    uint256 private constant WHOLE = 100_00;
    /// @dev Every other security type counts as a bond.
    uint8 private constant EQUITY = 1;

    bytes32 internal constant PAYOUT_ROLE = 0x88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10;
    bytes32 internal constant CASHOUT_ROLE = 0xe0d6eef1076057afbcdc5a0534cf7ab9071fa4fdd3750e202da3d49c8913a144;

    event AmountSnapshotExecuted(
        uint256 snapshotID,
        uint256 pageIndex,
        uint256 pageLength,
        uint256 amount,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event PercentageSnapshotExecuted(
        uint256 snapshotID,
        uint256 pageIndex,
        uint256 pageLength,
        uint256 percentage,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event AmountSnapshotByAddressesExecuted(
        uint256 snapshotID,
        address[] holders,
        uint256 amount,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event PercentageSnapshotByAddressesExecuted(
        uint256 snapshotID,
        address[] holders,
        uint256 percentage,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event DistributionExecuted(
        uint256 distributionID,
        uint256 pageIndex,
        uint256 pageLength,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event DistributionByAddressesExecuted(
        uint256 distributionID,
        address[] holders,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event CashOutExecuted(
        uint256 pageIndex,
        uint256 pageLength,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );
    event CashOutByAddressesExecuted(
        address[] holders,
        address[] failed,
        address[] succeeded,
        uint256[] paidAmount
    );

    error InvalidPercentage(uint256 percentage);
    error NotPaymentDate(uint256 paymentDate, uint256 currentDate);

    // ---------------------------------------------------------------------------------- snapshots

    /// @param amount what the whole supply would receive, in base units of the payment token.
    function executeAmountSnapshot(
        address asset,
        uint256 snapshotID,
        uint256 pageIndex,
        uint256 pageLength,
        uint256 amount
    )
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        (failed, succeeded, paidAmount, executed) = _paySnapshotPage(asset, snapshotID, pageIndex, pageLength, amount);
        emit AmountSnapshotExecuted(snapshotID, pageIndex, pageLength, amount, failed, succeeded, paidAmount);
    }

    /// @param percentage of this contract's present balance, with two decimals.
    function executePercentageSnapshot(
        address asset,
        uint256 snapshotID,
        uint256 pageIndex,
        uint256 pageLength,
        uint256 percentage
    )
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        if (percentage > WHOLE) revert InvalidPercentage(percentage);
        (failed, succeeded, paidAmount, executed) =
            _paySnapshotPage(asset, snapshotID, pageIndex, pageLength, _shareOfBalance(percentage));
        emit PercentageSnapshotExecuted(snapshotID, pageIndex, pageLength, percentage, failed, succeeded, paidAmount);
    }

    /// @param amount what the whole supply would receive, in base units of the payment token.
    function executeAmountSnapshotByAddresses(
        address asset,
        uint256 snapshotID,
        address[] calldata holders,
        uint256 amount
    )
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount)
    {
        (failed, succeeded, paidAmount) = _paySnapshot(asset, snapshotID, holders, amount);
        emit AmountSnapshotByAddressesExecuted(snapshotID, holders, amount, failed, succeeded, paidAmount);
    }

    /// @param percentage of this contract's present balance, with two decimals and, unlike by page, no cap.
    function executePercentageSnapshotByAddresses(
        address asset,
        uint256 snapshotID,
        address[] calldata holders,
        uint256 percentage
    )
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount)
    {
        (failed, succeeded, paidAmount) = _paySnapshot(asset, snapshotID, holders, _shareOfBalance(percentage));
        emit PercentageSnapshotByAddressesExecuted(snapshotID, holders, percentage, failed, succeeded, paidAmount);
    }

    // ---------------------------------------------------------------------------------- distributions

    /// @param distributionID the asset's dividend or coupon, counted from 1.
    function executeDistribution(address asset, uint256 distributionID, uint256 pageIndex, uint256 pageLength)
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        bool isEquity = _isEquity(asset);
        _requirePaymentDate(_executionDate(asset, isEquity, distributionID));
        address[] memory holders = isEquity
            ? IEquity(asset).getDividendHolders(distributionID, pageIndex, pageLength)
            : IBond(asset).getCouponHolders(distributionID, pageIndex, pageLength);
        (failed, succeeded, paidAmount) = _payDistribution(asset, isEquity, distributionID, holders);
        executed = holders.length != 0;
        emit DistributionExecuted(distributionID, pageIndex, pageLength, failed, succeeded, paidAmount);
    }

    /// @param distributionID the asset's dividend or coupon, counted from 1.
    function executeDistributionByAddresses(address asset, uint256 distributionID, address[] calldata holders)
        external
        whenNotPaused
        onlyRole(PAYOUT_ROLE)
        onlyAsset(asset)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount)
    {
        bool isEquity = _isEquity(asset);
        _requirePaymentDate(_executionDate(asset, isEquity, distributionID));
        (failed, succeeded, paidAmount) = _payDistribution(asset, isEquity, distributionID, holders);
        emit DistributionByAddressesExecuted(distributionID, holders, failed, succeeded, paidAmount);
    }

    // ---------------------------------------------------------------------------------- cash-out

    /// @notice Pages are of the live holders, whose list shrinks as they are redeemed.
    function executeBondCashOut(address bond, uint256 pageIndex, uint256 pageLength)
        external
        whenNotPaused
        onlyRole(CASHOUT_ROLE)
        onlyAsset(bond)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        _requirePaymentDate(_maturityDate(bond));
        address[] memory holders = IAsset(bond).getSecurityHolders(pageIndex, pageLength);
        (failed, succeeded, paidAmount) = _cashOut(bond, holders);
        executed = holders.length != 0;
        emit CashOutExecuted(pageIndex, pageLength, failed, succeeded, paidAmount);
    }

    function executeBondCashOutByAddresses(address bond, address[] calldata holders)
        external
        whenNotPaused
        onlyRole(CASHOUT_ROLE)
        onlyAsset(bond)
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount)
    {
        _requirePaymentDate(_maturityDate(bond));
        (failed, succeeded, paidAmount) = _cashOut(bond, holders);
        emit CashOutByAddressesExecuted(holders, failed, succeeded, paidAmount);
    }

    // ---------------------------------------------------------------------------------- internals

    function _paySnapshotPage(
        address asset,
        uint256 snapshotID,
        uint256 pageIndex,
        uint256 pageLength,
        uint256 amount
    )
        private
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        address[] memory holders = IAsset(asset).getTokenHoldersAtSnapshot(snapshotID, pageIndex, pageLength);
        (failed, succeeded, paidAmount) = _paySnapshot(asset, snapshotID, holders, amount);
        executed = holders.length != 0;
    }

    function _paySnapshot(address asset, uint256 snapshotID, address[] memory holders, uint256 amount)
        private
        returns (address[] memory, address[] memory, uint256[] memory)
    {
        Tally memory tally = _newTally(holders.length);
        mapping(address => bool) storage paid = _state().paidSnapshots[snapshotID];
        uint256 totalSupply = IAsset(asset).totalSupplyAtSnapshot(snapshotID);
        for (uint256 i = 0; i < holders.length; ++i) {
            address holder = holders[i];
            if (paid[holder]) {
                _tallyFailure(tally, holder);
                continue;
            }
            uint256 balance = IAsset(asset).balanceOfAtSnapshot(snapshotID, holder);
            _payOnce(tally, paid, holder, (amount * balance) / totalSupply);
        }
        return (tally.failed, tally.succeeded, tally.paidAmount);
    }

    function _payDistribution(address asset, bool isEquity, uint256 distributionID, address[] memory holders)
        private
        returns (address[] memory, address[] memory, uint256[] memory)
    {
        Tally memory tally = _newTally(holders.length);
        mapping(address => bool) storage paid = _state().paidDistributions[distributionID];
        uint256 unit = _paymentTokenUnit();
        for (uint256 i = 0; i < holders.length; ++i) {
            address holder = holders[i];
            if (paid[holder]) {
                _tallyFailure(tally, holder);
                continue;
            }
            (uint256 numerator, uint256 denominator,) = isEquity
                ? IEquity(asset).getDividendAmountFor(distributionID, holder)
                : IBond(asset).getCouponAmountFor(distributionID, holder);
            _payOnce(tally, paid, holder, (numerator * unit) / denominator);
        }
        return (tally.failed, tally.succeeded, tally.paidAmount);
    }

    /// @dev The flag is set before the token is called, and taken back if the token refuses.
    function _payOnce(
        Tally memory tally,
        mapping(address => bool) storage paid,
        address holder,
        uint256 amount
    ) private {
        paid[holder] = true;
        if (!_tryPay(tally, holder, amount)) paid[holder] = false;
    }

    /// @dev Who is not paid keeps the tokens. Who is paid is redeemed, even if the payment was of nothing; if
    /// the bond refuses that, all of the call is undone.
    function _cashOut(address bond, address[] memory holders)
        private
        returns (address[] memory, address[] memory, uint256[] memory)
    {
        Tally memory tally = _newTally(holders.length);
        uint256 unit = _paymentTokenUnit();
        for (uint256 i = 0; i < holders.length; ++i) {
            (uint256 numerator, uint256 denominator) = IBond(bond).getPrincipalFor(holders[i]);
            if (_tryPay(tally, holders[i], (numerator * unit) / denominator)) {
                IBond(bond).fullRedeemAtMaturity(holders[i]);
            }
        }
        return (tally.failed, tally.succeeded, tally.paidAmount);
    }

    function _isEquity(address asset) private view returns (bool) {
        return IAsset(asset).getERC20Metadata().securityType == EQUITY;
    }

    function _executionDate(address asset, bool isEquity, uint256 distributionID) private view returns (uint256) {
        if (isEquity) {
            (RegisteredDividend memory dividend,) = IEquity(asset).getDividend(distributionID);
            return dividend.dividend.executionDate;
        }
        (RegisteredCoupon memory coupon,) = IBond(asset).getCoupon(distributionID);
        return coupon.coupon.executionDate;
    }

    /// @dev Of a bond of version 8, which has no details to tell, it reverts with the bond's own error.
    function _maturityDate(address bond) internal view virtual returns (uint256 maturityDate) {
        (,,,, maturityDate) = IBondVersion7(bond).getBondDetails();
    }

    function _requirePaymentDate(uint256 date) private view {
        if (date > block.timestamp) revert NotPaymentDate(date, block.timestamp);
    }

    /// @dev One whole payment token in its base units.
    function _paymentTokenUnit() private view returns (uint256) {
        return 10 ** uint256(getPaymentTokenDecimals());
    }

    function _shareOfBalance(uint256 percentage) private view returns (uint256) {
        return (_balance() * percentage) / WHOLE;
    }
}
