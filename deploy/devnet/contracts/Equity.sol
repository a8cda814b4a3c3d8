// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {SecurityToken} from "./SecurityToken.sol";

/// @notice The devnet's equity: a security token that pays dividends. Both versions have this interface.
abstract contract Equity is SecurityToken {
    struct Dividend {
        uint256 recordDate;
        uint256 executionDate;
        uint256 amount;
        uint8 amountDecimals;
    }

    struct RegisteredDividend {
        Dividend dividend;
        uint256 snapshotId;
    }

    uint8 internal constant EQUITY = 1;
    bytes32 private constant DIVIDEND = 0xcda4824099c82153d6d7a867a03a161c74e149619527030b479c1b7e514278a9;

    mapping(bytes32 actionID => Dividend) private _dividends;

    event DividendSet(
        bytes32 corporateActionId,
        uint256 dividendId,
        address indexed operator,
        uint256 indexed recordDate,
        uint256 indexed executionDate,
        uint256 amount,
        uint8 amountDecimals
    );
    event DividendCancelled(uint256 dividendId, address indexed operator);

    error DividendCreationFailed();
    error DividendAlreadyExecuted(bytes32 corporateActionId, uint256 dividendId);

    /// @notice Announces a dividend of so much money per whole token; ids count from 1.
    function setDividend(Dividend calldata dividend)
        external
        whenNotPaused
        onlyRole(_corporateActionRole())
        onlyOrderedDates(dividend.recordDate, dividend.executionDate)
        onlyScheduledDate(dividend.recordDate)
        returns (uint256 dividendId)
    {
        bytes32 actionID;
        (actionID, dividendId) =
            _announce(DIVIDEND, dividend.recordDate, dividend.executionDate, abi.encode(dividend));
        if (actionID == 0) revert DividendCreationFailed();
        _dividends[actionID] = dividend;
        emit DividendSet(
            actionID,
            dividendId,
            msg.sender,
            dividend.recordDate,
            dividend.executionDate,
            dividend.amount,
            dividend.amountDecimals
        );
    }

    /// @notice Marks a dividend as disabled before its execution date. Its amounts are still told.
    function cancelDividend(uint256 dividendId)
        external
        whenNotPaused
        onlyRole(_corporateActionRole())
        returns (bool)
    {
        bytes32 actionID = _actionIDOf(DIVIDEND, dividendId);
        if (_dividends[actionID].executionDate <= block.timestamp) {
            revert DividendAlreadyExecuted(actionID, dividendId);
        }
        _cancel(actionID);
        emit DividendCancelled(dividendId, msg.sender);
        return true;
    }

    function getDividend(uint256 dividendId)
        external
        view
        returns (RegisteredDividend memory registered, bool isDisabled)
    {
        bytes32 actionID = _actionIDOf(DIVIDEND, dividendId);
        CorporateAction memory action = _action(actionID);
        return (RegisteredDividend(_dividends[actionID], action.snapshotID), action.isDisabled);
    }

    function getDividendFor(uint256 dividendId, address account)
        external
        view
        returns (
            uint256 tokenBalance,
            uint256 amount,
            uint8 amountDecimals,
            uint256 recordDate,
            uint256 executionDate,
            uint8 decimals_,
            bool recordDateReached,
            bool isDisabled
        )
    {
        CorporateAction memory action = _dividendAction(dividendId);
        Dividend storage dividend = _dividends[_actionIDOf(DIVIDEND, dividendId)];
        recordDateReached = _isRecordDatePast(action);
        if (recordDateReached) (tokenBalance, decimals_) = _balanceAtRecordDate(action, account);
        amount = dividend.amount;
        amountDecimals = dividend.amountDecimals;
        recordDate = dividend.recordDate;
        executionDate = dividend.executionDate;
        isDisabled = action.isDisabled;
    }

    /// @notice What a holder gets, in whole units of money, as a fraction. A cancelled dividend counts, too.
    /// This is the read that a dividend payout makes per holder.
    function getDividendAmountFor(uint256 dividendId, address account)
        external
        view
        returns (uint256 numerator, uint256 denominator, bool recordDateReached)
    {
        CorporateAction memory action = _dividendAction(dividendId);
        if (!_isRecordDatePast(action)) return (0, 0, false);
        _burnGas(Payment.DIVIDEND);
        Dividend storage dividend = _dividends[_actionIDOf(DIVIDEND, dividendId)];
        (uint256 balance, uint8 decimalsThen) = _balanceAtRecordDate(action, account);
        (numerator, denominator) = _dividendOf(balance, decimalsThen, dividend.amount, dividend.amountDecimals);
        recordDateReached = true;
    }

    function getDividendHolders(uint256 dividendId, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory)
    {
        return _holdersAtRecordDate(_dividendAction(dividendId), pageIndex, pageLength);
    }

    function getTotalDividendHolders(uint256 dividendId) external view returns (uint256) {
        return _holderCountAtRecordDate(_dividendAction(dividendId));
    }

    function getDividendsCount() external view returns (uint256) {
        return _countOf(DIVIDEND);
    }

    /// @dev The dividend of `balance` tokens with `decimalsThen` decimals.
    function _dividendOf(uint256 balance, uint256 decimalsThen, uint256 amount, uint256 amountDecimals)
        internal
        pure
        virtual
        returns (uint256 numerator, uint256 denominator);

    function _dividendAction(uint256 dividendId) private view returns (CorporateAction memory) {
        return _action(_actionIDOf(DIVIDEND, dividendId));
    }
}
