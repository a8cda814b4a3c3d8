// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {CorporateActions} from "./CorporateActions.sol";

/// @notice What the devnet's equity and bond share: ERC-20, partitions, issuance, freezing, locking, control list,
/// adjustments. It speaks the part of the interface of an Asset Tokenization Studio token that payouts use, in
/// version 7 or 8; what differs between the two stands in Version7 and Version8.
///
/// Where the real token asks for a role of its own that payouts do not need, this one asks for the admin's.
/// Whatever changes a balance first takes the scheduled snapshots that are due. What is no function of the
/// interface is answered as by the resolver proxy of the real token.
abstract contract SecurityToken is CorporateActions {
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

    struct BasicTransferInfo {
        address to;
        uint256 value;
    }

    struct IssueData {
        bytes32 partition;
        address tokenHolder;
        uint256 value;
        bytes data;
    }

    struct TokenLock {
        uint256 amount;
        uint256 expiration;
        uint64 factor;
    }

    /// @dev Operator in the logs of what holders do with their own tokens.
    address private constant NO_OPERATOR = address(0);

    string public name;
    string public symbol;
    string private _isin;
    uint8 private immutable _securityType;

    mapping(address holder => mapping(address spender => uint256)) public allowance;
    mapping(address account => bool) public isInControlList;
    mapping(address holder => TokenLock[]) private _locks;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed holder, address indexed spender, uint256 value);
    event IssuedByPartition(
        bytes32 indexed partition, address indexed operator, address indexed to, uint256 value, bytes data
    );
    event RedeemedByPartition(
        bytes32 indexed partition,
        address indexed operator,
        address indexed from,
        uint256 value,
        bytes data,
        bytes operatorData
    );
    event TransferByPartition(
        bytes32 indexed fromPartition,
        address operator,
        address indexed from,
        address indexed to,
        uint256 value,
        bytes data,
        bytes operatorData
    );
    event LockedByPartition(
        address indexed operator,
        address indexed tokenHolder,
        bytes32 indexed partition,
        uint256 lockId,
        uint256 amount,
        uint256 expirationTimestamp
    );
    event LockByPartitionReleased(
        address indexed operator, address indexed tokenHolder, bytes32 indexed partition, uint256 lockId
    );
    event TokensFrozen(address indexed account, uint256 amount, bytes32 partition);
    event TokensUnfrozen(address indexed account, uint256 amount, bytes32 partition);
    event AdjustmentBalanceSet(address indexed operator, uint256 factor, uint8 decimals);
    event AddedToControlList(address indexed operator, address indexed account);
    event RemovedFromControlList(address indexed operator, address indexed account);

    error FunctionNotFound(bytes4 functionSelector);
    error LengthsDiffer(uint256 accounts, uint256 amounts);
    error InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error InsufficientFrozenBalance(address account, uint256 requested, uint256 frozen, bytes32 partition);
    error AccountIsBlocked(address account);
    error ListedAccount(address account);
    error UnlistedAccount(address account);
    error WrongLockId();
    error LockExpirationNotReached();
    error FactorIsZero();

    modifier onlyUnlisted(address account) {
        if (isInControlList[account]) revert AccountIsBlocked(account);
        _;
    }

    constructor(
        string memory name_,
        string memory symbol_,
        string memory isin_,
        uint8 decimals_,
        address admin_,
        uint8 securityType_
    ) {
        if (admin_ == address(0)) revert ZeroAddress();
        name = name_;
        symbol = symbol_;
        _isin = isin_;
        decimals = decimals_;
        _securityType = securityType_;
        _grant(DEFAULT_ADMIN_ROLE, admin_);
        _grant(_corporateActionRole(), admin_);
    }

    fallback() external {
        revert FunctionNotFound(msg.sig);
    }

    /// @notice 7 or 8. The devnet's own.
    function assetVersion() external pure virtual returns (uint8);

    function getERC20Metadata() external view returns (ERC20Metadata memory) {
        return ERC20Metadata(ERC20MetadataInfo(name, symbol, _isin, decimals), _securityType);
    }

    // ---------------------------------------------------------------------------------- ERC-20

    function transfer(address to, uint256 value) external whenNotPaused returns (bool) {
        _transfer(NO_OPERATOR, msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external whenNotPaused returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < value) revert InsufficientAllowance(msg.sender, allowed, value);
            allowance[from][msg.sender] = allowed - value;
        }
        _transfer(msg.sender, from, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external whenNotPaused returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    // ---------------------------------------------------------------------------------- issuing, redeeming

    function issue(address to, uint256 value) external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) {
        _triggerScheduled();
        _increaseSupply(value);
        _issue(to, value);
    }

    function issueBatch(address[] calldata accounts, uint256[] calldata values)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        if (accounts.length != values.length) revert LengthsDiffer(accounts.length, values.length);
        _triggerScheduled();
        uint256 sum = 0;
        for (uint256 i = 0; i < values.length; ++i) {
            sum += values[i];
        }
        _increaseSupply(sum);
        for (uint256 i = 0; i < accounts.length; ++i) {
            _issue(accounts[i], values[i]);
        }
    }

    /// @notice Burns free tokens of the caller's in the first partition.
    function redeem(uint256 value) external whenNotPaused onlyUnlisted(msg.sender) {
        _triggerScheduled();
        _redeemByPartition(PARTITION, NO_OPERATOR, msg.sender, value);
        _tellLast(msg.sender, address(0), value);
    }

    // ---------------------------------------------------------------------------------- by partition

    /// @notice Issues into the first or the second partition.
    function issueByPartition(IssueData calldata data) external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) {
        _triggerScheduled();
        _increaseSupply(data.value);
        _issueByPartition(data.partition, data.tokenHolder, data.value);
    }

    function transferByPartition(bytes32 partition, BasicTransferInfo calldata info, bytes calldata)
        external
        whenNotPaused
        returns (bytes32)
    {
        _transferByPartition(partition, NO_OPERATOR, msg.sender, info.to, info.value);
        return partition;
    }

    function redeemByPartition(bytes32 partition, uint256 value, bytes calldata)
        external
        whenNotPaused
        onlyUnlisted(msg.sender)
    {
        _triggerScheduled();
        _redeemByPartition(partition, NO_OPERATOR, msg.sender, value);
    }

    // ---------------------------------------------------------------------------------- freezing, locking

    /// @notice Makes free tokens unmovable. They still earn dividends and coupons.
    function freezePartialTokens(address account, uint256 amount)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        _triggerScheduled();
        _freeze(account, amount);
        _tellFirst(account, address(0), amount);
        emit TokensFrozen(account, amount, PARTITION);
    }

    function unfreezePartialTokens(address account, uint256 amount)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        uint256 frozen = getFrozenTokens(account);
        if (frozen < amount) revert InsufficientFrozenBalance(account, amount, frozen, PARTITION);
        _triggerScheduled();
        _unfreeze(account, amount);
        emit Transfer(address(0), account, amount);
        emit TokensUnfrozen(account, amount, PARTITION);
    }

    /// @notice Locks free tokens until a time. Tells of it as of a burn, though the supply stays.
    function lock(uint256 amount, address holder, uint256 expiration)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (uint256 lockID)
    {
        _triggerScheduled();
        _lock(holder, amount);
        _locks[holder].push(TokenLock(amount, expiration, _adjustmentFactor()));
        lockID = _locks[holder].length;
        _tellMovement(PARTITION, msg.sender, holder, address(0), amount);
        emit LockedByPartition(msg.sender, holder, PARTITION, lockID, amount, expiration);
    }

    /// @notice Gives an expired lock's tokens back to their holder. Anyone may.
    function release(uint256 lockID, address holder) external whenNotPaused returns (bool) {
        if (lockID == 0 || lockID > _locks[holder].length) revert WrongLockId();
        TokenLock memory expired = _locks[holder][lockID - 1];
        if (expired.amount == 0) revert WrongLockId();
        if (expired.expiration > block.timestamp) revert LockExpirationNotReached();
        _triggerScheduled();
        delete _locks[holder][lockID - 1];
        uint256 amount = expired.amount * (_adjustmentFactor() / expired.factor);
        _unlock(holder, amount);
        _tellMovement(PARTITION, msg.sender, address(0), holder, amount);
        emit LockByPartitionReleased(msg.sender, holder, PARTITION, lockID);
        return true;
    }

    // ---------------------------------------------------------------------------------- adjustments

    /// @notice Multiplies every balance and the supply by `factor` and adds `moreDecimals` to the decimals,
    /// without any Transfer; when an account next changes, one from nobody to nobody tells what it got.
    function adjustBalances(uint256 factor, uint8 moreDecimals)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bool)
    {
        if (factor == 0) revert FactorIsZero();
        _triggerScheduled();
        _adjust(factor, moreDecimals);
        emit AdjustmentBalanceSet(msg.sender, factor, moreDecimals);
        return true;
    }

    // ---------------------------------------------------------------------------------- control list, pause

    /// @notice Blocks an account: it can neither send nor receive tokens nor have them redeemed.
    function addToControlList(address account) external whenNotPaused onlyRole(DEFAULT_ADMIN_ROLE) returns (bool) {
        if (isInControlList[account]) revert ListedAccount(account);
        isInControlList[account] = true;
        emit AddedToControlList(msg.sender, account);
        return true;
    }

    function removeFromControlList(address account)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (bool)
    {
        if (!isInControlList[account]) revert UnlistedAccount(account);
        isInControlList[account] = false;
        emit RemovedFromControlList(msg.sender, account);
        return true;
    }

    // ---------------------------------------------------------------------------------- as the version has it

    /// @dev Before the partition's log of a movement of tokens.
    function _tellFirst(address from, address to, uint256 value) internal virtual;

    /// @dev After the partition's logs of a movement that was asked for without a partition, or that looks like it.
    function _tellLast(address from, address to, uint256 value) internal virtual;

    // ---------------------------------------------------------------------------------- internals

    /// @dev The caller has taken the snapshots that are due.
    function _redeemByPartition(bytes32 partition, address operator, address holder, uint256 value) internal virtual {
        _burn(partition, holder, value);
        _tellFirst(holder, address(0), value);
        emit TransferByPartition(partition, operator, holder, address(0), value, "", "");
        emit RedeemedByPartition(partition, operator, holder, value, "", "");
    }

    function _burn(bytes32 partition, address holder, uint256 value) internal {
        _debit(holder, partition, value);
        _decreaseSupply(value);
    }

    function _tellAdjusted(bytes32 partition, uint256 added) internal override {
        if (added == 0) return;
        emit TransferByPartition(partition, msg.sender, address(0), address(0), added, "", "");
        emit Transfer(address(0), address(0), added);
    }

    function _issue(address to, uint256 value) private {
        _issueByPartition(PARTITION, to, value);
        _tellLast(address(0), to, value);
    }

    function _issueByPartition(bytes32 partition, address to, uint256 value) private onlyUnlisted(to) {
        _credit(to, partition, value);
        _tellFirst(address(0), to, value);
        emit TransferByPartition(partition, msg.sender, address(0), to, value, "", "");
        emit IssuedByPartition(partition, msg.sender, to, value, "");
    }

    function _transfer(address operator, address from, address to, uint256 value) private {
        _transferByPartition(PARTITION, operator, from, to, value);
        _tellLast(from, to, value);
    }

    function _transferByPartition(bytes32 partition, address operator, address from, address to, uint256 value)
        private
        onlyUnlisted(from)
        onlyUnlisted(to)
    {
        _triggerScheduled();
        _debit(from, partition, value);
        _credit(to, partition, value);
        _tellFirst(from, to, value);
        emit TransferByPartition(partition, operator, from, to, value, "", "");
    }

    function _tellMovement(bytes32 partition, address operator, address from, address to, uint256 value) private {
        _tellFirst(from, to, value);
        emit TransferByPartition(partition, operator, from, to, value, "", "");
        _tellLast(from, to, value);
    }
}
