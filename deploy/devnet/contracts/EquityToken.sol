// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {RoleControl} from "./RoleControl.sol";

/// @notice The devnet's security token: an equity with a holder list and snapshots, speaking the part of
/// the version 7 interface of an Asset Tokenization Studio token that import and snapshot payouts use.
///
/// Snapshots copy on write: taking one only raises the current id. The first change of a balance, of a
/// place in the holder list, of the list's length or of the supply after that records the old value under
/// that id. A read at a snapshot takes the first record made at or after it, or else the live value.
contract EquityToken is RoleControl {
    struct ERC20MetadataInfo {
        string name;
        string symbol;
        string isin;
        uint8 decimals;
    }

    struct ERC20Metadata {
        ERC20MetadataInfo info;
        uint8 securityType;
    }

    /// @dev `place` is the index in the holder list plus one; 0 for who holds nothing.
    struct Account {
        uint64 place;
        uint192 balance;
    }

    /// @dev The value that held for every snapshot after the previous record's, up to `snapshotID`.
    struct Record {
        uint64 snapshotID;
        uint192 value;
    }

    bytes32 internal constant SNAPSHOT_ROLE =
        0x3fbb44760c0954eea3f6cb9f1f210568f5ae959dcbbef66e72f749dbaa7cc2da;
    uint8 private constant EQUITY = 1;

    string public name;
    string public symbol;
    string private _isin;
    uint8 public immutable decimals;
    bool public isPaused;

    mapping(address holder => mapping(address spender => uint256)) public allowance;

    uint64 private _snapshotID;
    uint192 private _supply;
    uint256 private _holderCount;
    mapping(address account => Account) private _accounts;
    mapping(uint256 index => address) private _holderAt;

    mapping(address account => Record[]) private _balanceRecords;
    mapping(uint256 index => Record[]) private _holderRecords;
    Record[] private _holderCountRecords;
    Record[] private _supplyRecords;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed holder, address indexed spender, uint256 value);
    event SnapshotTaken(address indexed operator, uint256 indexed snapshotID);
    event TokenPaused(address indexed operator);
    event TokenUnpaused(address indexed operator);

    error SnapshotIdNull();
    error SnapshotIdDoesNotExists(uint256 snapshotID);
    error TokenIsPaused();
    error TokenIsUnpaused();
    error ZeroAddress();
    error LengthsDiffer(uint256 accounts, uint256 amounts);
    error AmountTooLarge(uint256 value);
    error InsufficientBalance(address account, uint256 balance, uint256 needed);
    error InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    constructor(
        string memory name_,
        string memory symbol_,
        string memory isin_,
        uint8 decimals_,
        address admin_
    ) {
        if (admin_ == address(0)) revert ZeroAddress();
        name = name_;
        symbol = symbol_;
        _isin = isin_;
        decimals = decimals_;
        _grant(DEFAULT_ADMIN_ROLE, admin_);
    }

    // ---------------------------------------------------------------------------------- ERC-20

    function totalSupply() external view returns (uint256) {
        return _supply;
    }

    function balanceOf(address account) external view returns (uint256) {
        return _accounts[account].balance;
    }

    function transfer(address to, uint256 value) external whenNotPaused returns (bool) {
        _transfer(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external whenNotPaused returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < value) revert InsufficientAllowance(msg.sender, allowed, value);
            allowance[from][msg.sender] = allowed - value;
        }
        _transfer(from, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external whenNotPaused returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    // ---------------------------------------------------------------------------------- register

    function getERC20Metadata() external view returns (ERC20Metadata memory) {
        return ERC20Metadata(ERC20MetadataInfo(name, symbol, _isin, decimals), EQUITY);
    }

    function getSecurityHolders(uint256 pageIndex, uint256 pageLength) external view returns (address[] memory page) {
        (uint256 start, uint256 length) = _pageBounds(_holderCount, pageIndex, pageLength);
        page = new address[](length);
        for (uint256 i = 0; i < length; ++i) {
            page[i] = _holderAt[start + i];
        }
    }

    function getTotalSecurityHolders() external view returns (uint256) {
        return _holderCount;
    }

    function issue(address to, uint256 value) external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) {
        _increaseSupply(value);
        _credit(to, value);
        emit Transfer(address(0), to, value);
    }

    function issueBatch(address[] calldata accounts, uint256[] calldata values)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        if (accounts.length != values.length) revert LengthsDiffer(accounts.length, values.length);
        uint256 sum = 0;
        for (uint256 i = 0; i < values.length; ++i) {
            sum += values[i];
        }
        _increaseSupply(sum);
        for (uint256 i = 0; i < accounts.length; ++i) {
            _credit(accounts[i], values[i]);
            emit Transfer(address(0), accounts[i], values[i]);
        }
    }

    function pause() external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        isPaused = true;
        emit TokenPaused(msg.sender);
        return true;
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        if (!isPaused) revert TokenIsUnpaused();
        isPaused = false;
        emit TokenUnpaused(msg.sender);
        return true;
    }

    // ---------------------------------------------------------------------------------- snapshots

    function takeSnapshot() external whenNotPaused onlyRole(SNAPSHOT_ROLE) returns (uint256) {
        uint64 snapshotID = ++_snapshotID;
        emit SnapshotTaken(msg.sender, snapshotID);
        return snapshotID;
    }

    function balanceOfAtSnapshot(uint256 snapshotID, address account) external view returns (uint256) {
        _requireSnapshot(snapshotID);
        return _valueAt(_balanceRecords[account], snapshotID, _accounts[account].balance);
    }

    function totalSupplyAtSnapshot(uint256 snapshotID) external view returns (uint256) {
        _requireSnapshot(snapshotID);
        return _valueAt(_supplyRecords, snapshotID, _supply);
    }

    function getTotalTokenHoldersAtSnapshot(uint256 snapshotID) public view returns (uint256) {
        _requireSnapshot(snapshotID);
        return _valueAt(_holderCountRecords, snapshotID, uint192(_holderCount));
    }

    function getTokenHoldersAtSnapshot(uint256 snapshotID, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory page)
    {
        uint256 count = getTotalTokenHoldersAtSnapshot(snapshotID);
        (uint256 start, uint256 length) = _pageBounds(count, pageIndex, pageLength);
        page = new address[](length);
        for (uint256 i = start; i < start + length; ++i) {
            page[i - start] = address(uint160(_valueAt(_holderRecords[i], snapshotID, uint160(_holderAt[i]))));
        }
    }

    // ---------------------------------------------------------------------------------- internals

    function _requireNotPaused() internal view override {
        if (isPaused) revert TokenIsPaused();
    }

    function _requireSnapshot(uint256 snapshotID) private view {
        if (snapshotID == 0) revert SnapshotIdNull();
        if (snapshotID > _snapshotID) revert SnapshotIdDoesNotExists(snapshotID);
    }

    /// @dev A page starts at index * length, whatever lengths other pages had; past the end it is empty.
    function _pageBounds(uint256 count, uint256 pageIndex, uint256 pageLength)
        private
        pure
        returns (uint256 start, uint256 length)
    {
        start = pageIndex * pageLength;
        if (start >= count) return (0, 0);
        length = count - start < pageLength ? count - start : pageLength;
    }

    function _transfer(address from, address to, uint256 value) private {
        _debit(from, value);
        _credit(to, value);
        emit Transfer(from, to, value);
    }

    function _increaseSupply(uint256 value) private {
        uint256 supply = _supply + value;
        if (supply > type(uint192).max) revert AmountTooLarge(value);
        _record(_supplyRecords, _supply);
        _supply = uint192(supply);
    }

    function _debit(address from, uint256 value) private {
        Account memory account = _accounts[from];
        if (account.balance < value) revert InsufficientBalance(from, account.balance, value);
        if (value == 0) return;
        _record(_balanceRecords[from], account.balance);
        account.balance -= uint192(value);
        if (account.balance == 0) {
            _removeHolder(account.place - 1);
            account.place = 0;
        }
        _accounts[from] = account;
    }

    /// @dev The value never exceeds the supply, which fits 192 bits.
    function _credit(address to, uint256 value) private {
        if (to == address(0)) revert ZeroAddress();
        if (value == 0) return;
        Account memory account = _accounts[to];
        _record(_balanceRecords[to], account.balance);
        account.balance += uint192(value);
        if (account.place == 0) account.place = _appendHolder(to);
        _accounts[to] = account;
    }

    /// @dev The new place needs no record: no snapshot so far whose record is missing was that long.
    function _appendHolder(address holder) private returns (uint64 place) {
        uint256 count = _holderCount;
        _record(_holderCountRecords, uint192(count));
        _holderAt[count] = holder;
        _holderCount = count + 1;
        return uint64(count + 1);
    }

    /// @dev The last holder moves to the freed place.
    function _removeHolder(uint256 index) private {
        uint256 last = _holderCount - 1;
        _record(_holderCountRecords, uint192(last + 1));
        address moved = _holderAt[last];
        if (index != last) {
            _record(_holderRecords[index], uint160(_holderAt[index]));
            _holderAt[index] = moved;
            _accounts[moved].place = uint64(index + 1);
        }
        _record(_holderRecords[last], uint160(moved));
        delete _holderAt[last];
        _holderCount = last;
    }

    /// @dev Keeps the value from before the first change since the last snapshot.
    function _record(Record[] storage records, uint192 oldValue) private {
        uint64 snapshotID = _snapshotID;
        if (snapshotID == 0) return;
        uint256 length = records.length;
        if (length != 0 && records[length - 1].snapshotID == snapshotID) return;
        records.push(Record(snapshotID, oldValue));
    }

    function _valueAt(Record[] storage records, uint256 snapshotID, uint192 live) private view returns (uint192) {
        uint256 low = 0;
        uint256 high = records.length;
        uint256 length = high;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (records[middle].snapshotID < snapshotID) low = middle + 1;
            else high = middle;
        }
        return low == length ? live : records[low].value;
    }
}
