// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {HolderRegister} from "./HolderRegister.sol";

/// @notice Announcements with a record date (dividends, coupons) and the snapshots that they schedule.
///
/// Nobody acts on a chain by itself, so the snapshot of a record date is pending until something triggers it:
/// a change of balances, a snapshot, or anyone. Until then the live holders stand in for those of the record
/// date. Before the record date there are none.
abstract contract CorporateActions is HolderRegister {
    struct CorporateAction {
        uint256 recordDate;
        uint256 executionDate;
        uint256 snapshotID;
        bool isDisabled;
    }

    uint256 private _actionCount;
    mapping(bytes32 actionID => CorporateAction) private _actions;
    mapping(bytes32 kind => bytes32[]) private _actionsOfKind;
    mapping(bytes32 contentHash => bool) private _isAnnounced;
    /// @dev Actions whose snapshot is still to be taken, the next one last.
    bytes32[] private _scheduled;

    event SnapshotTaken(address indexed operator, uint256 indexed snapshotID);
    event SnapshotTriggered(uint256 snapshotId, bytes corporateActionId);

    error WrongDates(uint256 firstDate, uint256 secondDate);
    error WrongIndexForAction(uint256 index, bytes32 kind);

    modifier onlyOrderedDates(uint256 first, uint256 second) {
        if (first > second) revert WrongDates(first, second);
        _;
    }

    modifier onlyScheduledDate(uint256 timestamp) {
        _requireScheduledDate(timestamp);
        _;
    }

    /// @notice Takes the snapshots whose record date has come. Anyone may.
    /// @return taken how many were due, cancelled ones included.
    function triggerPendingScheduledCrossOrderedTasks() external whenNotPaused returns (uint256 taken) {
        return _triggerScheduled();
    }

    /// @notice Takes the scheduled snapshots that are due, then one more, whose id is returned.
    function takeSnapshot() external whenNotPaused onlyRole(_snapshotRole()) returns (uint256 snapshotID) {
        _triggerScheduled();
        snapshotID = _newSnapshot();
        emit SnapshotTaken(msg.sender, snapshotID);
    }

    // ---------------------------------------------------------------------------------- as the version has it

    function _corporateActionRole() internal pure virtual returns (bytes32);

    function _snapshotRole() internal pure virtual returns (bytes32);

    /// @dev Reverts if nothing can be scheduled at that time.
    function _requireScheduledDate(uint256 timestamp) internal view virtual;

    // ---------------------------------------------------------------------------------- internals

    function _triggerScheduled() internal returns (uint256 taken) {
        while (_scheduled.length != 0) {
            bytes32 actionID = _scheduled[_scheduled.length - 1];
            CorporateAction storage action = _actions[actionID];
            if (action.recordDate > block.timestamp) break;
            _scheduled.pop();
            ++taken;
            if (action.isDisabled) continue;
            action.snapshotID = _newSnapshot();
            emit SnapshotTriggered(action.snapshotID, abi.encodePacked(actionID));
        }
    }

    /// @dev Announces an action and schedules its snapshot. Nothing can be announced twice with equal content,
    /// not even after it was cancelled: then the id is 0.
    /// @return actionID counts the actions of all kinds; `number` those of this kind, from 1.
    function _announce(bytes32 kind, uint256 recordDate, uint256 executionDate, bytes memory content)
        internal
        returns (bytes32 actionID, uint256 number)
    {
        bytes32 contentHash = keccak256(abi.encode(kind, content));
        if (_isAnnounced[contentHash]) return (0, 0);
        _isAnnounced[contentHash] = true;
        actionID = bytes32(++_actionCount);
        _actions[actionID] = CorporateAction(recordDate, executionDate, 0, false);
        _actionsOfKind[kind].push(actionID);
        number = _actionsOfKind[kind].length;
        _schedule(actionID, recordDate);
    }

    function _cancel(bytes32 actionID) internal {
        _actions[actionID].isDisabled = true;
    }

    /// @dev `number` 0 underflows, an unknown one is told as an index.
    function _actionIDOf(bytes32 kind, uint256 number) internal view returns (bytes32) {
        uint256 index = number - 1;
        if (index >= _actionsOfKind[kind].length) revert WrongIndexForAction(index, kind);
        return _actionsOfKind[kind][index];
    }

    function _action(bytes32 actionID) internal view returns (CorporateAction memory) {
        return _actions[actionID];
    }

    function _countOf(bytes32 kind) internal view returns (uint256) {
        return _actionsOfKind[kind].length;
    }

    /// @dev The record date itself is not yet past.
    function _isRecordDatePast(CorporateAction memory action) internal view returns (bool) {
        return action.recordDate < block.timestamp;
    }

    /// @dev Free, frozen and locked tokens of a holder at the record date, and the decimals of then.
    function _balanceAtRecordDate(CorporateAction memory action, address account)
        internal
        view
        returns (uint256 balance, uint8 decimalsThen)
    {
        if (action.snapshotID == 0) return (getTotalBalanceFor(account), decimals);
        return (_totalBalanceAt(action.snapshotID, account), _decimalsAt(action.snapshotID));
    }

    function _holdersAtRecordDate(CorporateAction memory action, uint256 pageIndex, uint256 pageLength)
        internal
        view
        returns (address[] memory)
    {
        if (!_isRecordDatePast(action)) return new address[](0);
        if (action.snapshotID == 0) return getSecurityHolders(pageIndex, pageLength);
        return getTokenHoldersAtSnapshot(action.snapshotID, pageIndex, pageLength);
    }

    function _holderCountAtRecordDate(CorporateAction memory action) internal view returns (uint256) {
        if (!_isRecordDatePast(action)) return 0;
        if (action.snapshotID == 0) return getTotalSecurityHolders();
        return getTotalTokenHoldersAtSnapshot(action.snapshotID);
    }

    /// @dev Keeps the list in order, latest record date first; of equal dates the earlier announced is next.
    function _schedule(bytes32 actionID, uint256 recordDate) private {
        _scheduled.push(actionID);
        uint256 place = _scheduled.length - 1;
        while (place != 0 && _actions[_scheduled[place - 1]].recordDate <= recordDate) {
            _scheduled[place] = _scheduled[place - 1];
            --place;
        }
        _scheduled[place] = actionID;
    }
}
