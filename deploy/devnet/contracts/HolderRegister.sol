// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {GasBurner} from "./GasBurner.sol";
import {Record, SnapshotRecords} from "./SnapshotRecords.sol";

/// @notice Who holds how much of a security token, now and at each snapshot.
///
/// A holder's tokens are free, frozen or locked. Who has any of them stands in the holder list; the last in
/// the list fills a leaver's place. An adjustment multiplies all amounts at once: each account remembers under
/// which factor its amounts stand, and is brought up to date when it next changes.
///
/// Free tokens lie in one of two partitions. All others, and all that nobody puts into the second, lie in the
/// first.
abstract contract HolderRegister is GasBurner {
    using SnapshotRecords for Record[];

    /// @dev `place` is the index in the holder list plus one; 0 for who holds nothing.
    struct Account {
        uint32 place;
        uint64 factor;
        uint160 free;
    }

    /// @dev Tokens that cannot move, under the account's factor.
    struct Blocked {
        uint128 frozen;
        uint128 locked;
    }

    /// @dev The partition that tokens are in unless they are issued into the second.
    bytes32 internal constant PARTITION = bytes32(uint256(1));
    bytes32 internal constant SECOND_PARTITION = bytes32(uint256(2));

    bool internal _paused;
    /// @dev Whether the holder list follows free tokens alone (see Version7).
    bool internal _listFollowsFree;
    /// @dev Whether tokens have ever been issued into the second partition.
    bool private _hasSecondPartition;
    uint8 public decimals;
    uint32 private _snapshotID;
    uint64 private _factor = 1;
    uint128 private _supply;
    uint256 private _holderCount;
    mapping(address account => Account) private _accounts;
    mapping(address account => Blocked) private _blocked;
    /// @dev Free tokens in the second partition, under the account's factor.
    mapping(address account => uint256) private _inSecond;
    mapping(uint256 index => address) private _holderAt;

    mapping(address account => Record[]) private _freeRecords;
    mapping(address account => Record[]) private _blockedRecords;
    mapping(uint256 index => Record[]) private _holderRecords;
    Record[] private _holderCountRecords;
    Record[] private _supplyRecords;
    Record[] private _factorRecords;
    Record[] private _decimalsRecords;

    error SnapshotIdNull();
    error SnapshotIdDoesNotExists(uint256 snapshotID);
    error ZeroAddress();
    error AmountTooLarge(uint256 value);
    error InsufficientBalance(address account, uint256 balance, uint256 value, bytes32 partition);
    error InvalidPartition(address account, bytes32 partition);

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    // ---------------------------------------------------------------------------------- live

    function totalSupply() external view returns (uint256) {
        return _supply;
    }

    /// @notice The free balance: frozen and locked tokens do not count.
    function balanceOf(address account) public view returns (uint256) {
        return _live(_accounts[account].free, account);
    }

    function getFrozenTokens(address account) public view returns (uint256) {
        return _live(_blocked[account].frozen, account);
    }

    function getLockedAmountFor(address account) public view returns (uint256) {
        return _live(_blocked[account].locked, account);
    }

    /// @notice Free, frozen and locked tokens.
    function getTotalBalanceFor(address account) public view returns (uint256) {
        return balanceOf(account) + getFrozenTokens(account) + getLockedAmountFor(account);
    }

    /// @notice The free tokens of one partition.
    function balanceOfByPartition(bytes32 partition, address account) external view returns (uint256) {
        return _live(_inPartition(partition, account, _accounts[account].free), account);
    }

    function getTotalSecurityHolders() public view returns (uint256) {
        return _holderCount;
    }

    function getSecurityHolders(uint256 pageIndex, uint256 pageLength) public view returns (address[] memory page) {
        (uint256 start, uint256 length) = _pageBounds(_holderCount, pageIndex, pageLength);
        page = new address[](length);
        for (uint256 i = 0; i < length; ++i) {
            page[i] = _holderAt[start + i];
        }
    }

    // ---------------------------------------------------------------------------------- at a snapshot

    /// @notice The free balance at the snapshot. This is the read that a snapshot payout makes per holder.
    function balanceOfAtSnapshot(uint256 snapshotID, address account) external view returns (uint256) {
        _requireSnapshot(snapshotID);
        _burnGas(Payment.SNAPSHOT);
        return _freeAt(snapshotID, account);
    }

    function totalSupplyAtSnapshot(uint256 snapshotID) external view returns (uint256) {
        _requireSnapshot(snapshotID);
        return _supplyRecords.lookUp(snapshotID, 0, _supply).value;
    }

    function getTotalTokenHoldersAtSnapshot(uint256 snapshotID) public view returns (uint256) {
        _requireSnapshot(snapshotID);
        return _holderCountRecords.lookUp(snapshotID, 0, uint160(_holderCount)).value;
    }

    function getTokenHoldersAtSnapshot(uint256 snapshotID, uint256 pageIndex, uint256 pageLength)
        public
        view
        returns (address[] memory page)
    {
        uint256 count = getTotalTokenHoldersAtSnapshot(snapshotID);
        (uint256 start, uint256 length) = _pageBounds(count, pageIndex, pageLength);
        page = new address[](length);
        for (uint256 i = start; i < start + length; ++i) {
            page[i - start] = address(_holderRecords[i].lookUp(snapshotID, 0, uint160(_holderAt[i])).value);
        }
    }

    // ---------------------------------------------------------------------------------- for the token

    function _hasSnapshots() internal view returns (bool) {
        return _snapshotID != 0;
    }

    function _newSnapshot() internal returns (uint256) {
        return ++_snapshotID;
    }

    /// @dev Free tokens of a partition as they are written down: an adjustment since the account last changed
    /// does not count.
    function _writtenBalance(bytes32 partition, address account) internal view returns (uint256) {
        return _inPartition(partition, account, _accounts[account].free);
    }

    /// @dev Called when an account is brought up to date after an adjustment: so many free tokens more are
    /// written down for it.
    function _tellAdjusted(bytes32 partition, uint256 added) internal virtual;

    /// @dev Free, frozen and locked tokens at a snapshot that was taken.
    function _totalBalanceAt(uint256 snapshotID, address account) internal view returns (uint256) {
        Blocked memory blocked = _blocked[account];
        uint160 live = uint160(blocked.frozen) + blocked.locked;
        Record memory record = _blockedRecords[account].lookUp(snapshotID, _accounts[account].factor, live);
        return _freeAt(snapshotID, account) + _valueAt(snapshotID, record);
    }

    function _decimalsAt(uint256 snapshotID) internal view returns (uint8) {
        return uint8(_decimalsRecords.lookUp(snapshotID, 0, decimals).value);
    }

    function _adjustmentFactor() internal view returns (uint64) {
        return _factor;
    }

    function _increaseSupply(uint256 value) internal {
        uint256 supply = _supply + value;
        if (supply > type(uint128).max) revert AmountTooLarge(value);
        _supplyRecords.keep(_snapshotID, 0, _supply);
        _supply = uint128(supply);
    }

    function _decreaseSupply(uint256 value) internal {
        _supplyRecords.keep(_snapshotID, 0, _supply);
        _supply -= uint128(value);
    }

    /// @dev Adds free tokens. The value never exceeds the supply.
    function _credit(address to, bytes32 partition, uint256 value) internal {
        if (to == address(0)) revert ZeroAddress();
        if (value == 0) return;
        Account memory account = _brought(to);
        bool isNew = _listFollowsFree ? account.free == 0 : account.place == 0;
        account.free += uint160(value);
        if (partition != PARTITION) _addToSecond(to, partition, value);
        if (isNew) account.place = _appendHolder(to);
        _accounts[to] = account;
    }

    /// @dev Takes free tokens away.
    function _debit(address from, bytes32 partition, uint256 value) internal {
        if (value == 0) return;
        Account memory account = _broughtWith(from, partition, value);
        account.free -= uint160(value);
        if (partition != PARTITION) _inSecond[from] -= value;
        if (account.free == 0 && (_listFollowsFree || _isNothingBlocked(from))) {
            _removeHolder(account.place);
            account.place = 0;
        }
        _accounts[from] = account;
    }

    function _freeze(address holder, uint256 value) internal {
        _block(holder, value);
        _blocked[holder].frozen += uint128(value);
    }

    function _unfreeze(address holder, uint256 value) internal {
        _unblock(holder, value);
        _blocked[holder].frozen -= uint128(value);
    }

    function _lock(address holder, uint256 value) internal {
        _block(holder, value);
        _blocked[holder].locked += uint128(value);
    }

    function _unlock(address holder, uint256 value) internal {
        _unblock(holder, value);
        _blocked[holder].locked -= uint128(value);
    }

    /// @dev Multiplies every amount and the supply; adds digits after the point.
    function _adjust(uint256 factor, uint8 moreDecimals) internal {
        uint256 supply = _supply * factor;
        uint256 newFactor = _factor * factor;
        if (supply > type(uint128).max || newFactor > type(uint64).max) revert AmountTooLarge(factor);
        _supplyRecords.keep(_snapshotID, 0, _supply);
        _factorRecords.keep(_snapshotID, 0, _factor);
        _decimalsRecords.keep(_snapshotID, 0, decimals);
        _supply = uint128(supply);
        _factor = uint64(newFactor);
        decimals += moreDecimals;
    }

    /// @dev A page starts at index * length, whatever lengths other pages had; past the end it is empty.
    function _pageBounds(uint256 count, uint256 pageIndex, uint256 pageLength)
        internal
        pure
        returns (uint256 start, uint256 length)
    {
        start = pageIndex * pageLength;
        if (start >= count) return (0, 0);
        length = count - start < pageLength ? count - start : pageLength;
    }

    // ---------------------------------------------------------------------------------- internals

    function _requireSnapshot(uint256 snapshotID) private view {
        if (snapshotID == 0) revert SnapshotIdNull();
        if (snapshotID > _snapshotID) revert SnapshotIdDoesNotExists(snapshotID);
    }

    function _live(uint256 amount, address account) private view returns (uint256) {
        return amount == 0 ? 0 : (amount * _factor) / _accounts[account].factor;
    }

    function _freeAt(uint256 snapshotID, address account) private view returns (uint256) {
        Account memory live = _accounts[account];
        return _valueAt(snapshotID, _freeRecords[account].lookUp(snapshotID, live.factor, live.free));
    }

    /// @dev What a recorded amount was worth under the factor of the snapshot. Factors divide their
    /// successors, so no division here leaves a rest.
    function _valueAt(uint256 snapshotID, Record memory record) private view returns (uint256) {
        if (record.value == 0) return 0;
        uint256 factor = _factorRecords.lookUp(snapshotID, 0, _factor).value;
        return (record.value * factor) / record.factor;
    }

    /// @dev The account under the present factor, its free tokens recorded. The caller must write it back:
    /// its blocked tokens are under that factor already.
    function _brought(address holder) private returns (Account memory account) {
        account = _accounts[holder];
        uint64 factor = _factor;
        if (account.factor != factor) {
            if (account.factor != 0) _multiplyAmounts(holder, account, factor / account.factor);
            account.factor = factor;
        }
        _freeRecords[holder].keep(_snapshotID, factor, account.free);
    }

    function _multiplyAmounts(address holder, Account memory account, uint64 by) private {
        uint256 second = _inPartition(SECOND_PARTITION, holder, account.free);
        _tellAdjusted(PARTITION, (account.free - second) * (by - 1));
        if (second != 0) {
            _inSecond[holder] = second * by;
            _tellAdjusted(SECOND_PARTITION, second * (by - 1));
        }
        account.free *= by;
        _blocked[holder].frozen *= by;
        _blocked[holder].locked *= by;
    }

    function _broughtWith(address holder, bytes32 partition, uint256 value)
        private
        returns (Account memory account)
    {
        account = _brought(holder);
        uint256 there = _inPartition(partition, holder, account.free);
        if (there < value) revert InsufficientBalance(holder, there, value, partition);
    }

    /// @dev How much of an account's free tokens lies in a partition.
    function _inPartition(bytes32 partition, address account, uint256 free) private view returns (uint256) {
        if (partition != PARTITION && partition != SECOND_PARTITION) return 0;
        uint256 second = _hasSecondPartition ? _inSecond[account] : 0;
        return partition == PARTITION ? free - second : second;
    }

    function _addToSecond(address account, bytes32 partition, uint256 value) private {
        if (partition != SECOND_PARTITION) revert InvalidPartition(account, partition);
        _hasSecondPartition = true;
        _inSecond[account] += value;
    }

    function _isNothingBlocked(address holder) private view returns (bool) {
        Blocked memory blocked = _blocked[holder];
        return blocked.frozen == 0 && blocked.locked == 0;
    }

    /// @dev Free tokens of the first partition become blocked ones: the holder keeps the place in the list.
    function _block(address holder, uint256 value) private {
        Account memory account = _broughtWith(holder, PARTITION, value);
        _keepBlocked(holder);
        account.free -= uint160(value);
        _accounts[holder] = account;
    }

    function _unblock(address holder, uint256 value) private {
        Account memory account = _brought(holder);
        _keepBlocked(holder);
        account.free += uint160(value);
        _accounts[holder] = account;
    }

    function _keepBlocked(address holder) private {
        Blocked memory blocked = _blocked[holder];
        _blockedRecords[holder].keep(_snapshotID, _factor, uint160(blocked.frozen) + blocked.locked);
    }

    /// @dev The new place needs no record: no snapshot so far whose record is missing was that long.
    function _appendHolder(address holder) private returns (uint32 place) {
        uint256 count = _holderCount;
        _holderCountRecords.keep(_snapshotID, 0, uint160(count));
        _holderAt[count] = holder;
        _holderCount = count + 1;
        return uint32(count + 1);
    }

    /// @dev The last holder moves to the freed place; to none, if who leaves was not in the list.
    function _removeHolder(uint32 place) private {
        uint256 last = _holderCount - 1;
        _holderCountRecords.keep(_snapshotID, 0, uint160(last + 1));
        address moved = _holderAt[last];
        if (place != last + 1) {
            if (place != 0) {
                _holderRecords[place - 1].keep(_snapshotID, 0, uint160(_holderAt[place - 1]));
                _holderAt[place - 1] = moved;
            }
            _accounts[moved].place = place;
        }
        _holderRecords[last].keep(_snapshotID, 0, uint160(moved));
        delete _holderAt[last];
        _holderCount = last;
    }
}
