// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {CorporateActions} from "./CorporateActions.sol";

/// @notice What the devnet's equity and bond share: ERC-20, issuance, freezing, locking, control list,
/// adjustments. It speaks the part of the version 7 interface of an Asset Tokenization Studio token that
/// payouts use, with one partition.
///
/// Where the real token asks for a role of its own that payouts do not need, this one asks for the admin's.
/// Whatever changes a balance first takes the scheduled snapshots that are due.
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

    struct TokenLock {
        uint256 amount;
        uint256 expiration;
        uint64 factor;
    }

    /// @dev The one partition that every token of the asset is in.
    bytes32 internal constant PARTITION = bytes32(uint256(1));

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
    event TokensFrozen(address indexed account, uint256 amount, bytes32 partition);
    event TokensUnfrozen(address indexed account, uint256 amount, bytes32 partition);
    event AdjustmentBalanceSet(address indexed operator, uint256 factor, uint8 decimals);
    event AddedToControlList(address indexed operator, address indexed account);
    event RemovedFromControlList(address indexed operator, address indexed account);
    event TokenPaused(address indexed operator);
    event TokenUnpaused(address indexed operator);

    error TokenIsUnpaused();
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
        _grant(CORPORATE_ACTION_ROLE, admin_);
    }

    function getERC20Metadata() external view returns (ERC20Metadata memory) {
        return ERC20Metadata(ERC20MetadataInfo(name, symbol, _isin, decimals), _securityType);
    }

    // ---------------------------------------------------------------------------------- ERC-20

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

    /// @notice Burns free tokens of the caller.
    function redeem(uint256 value) external whenNotPaused onlyUnlisted(msg.sender) {
        _triggerScheduled();
        _redeem(msg.sender, value);
    }

    // ---------------------------------------------------------------------------------- freezing, locking

    /// @notice Makes free tokens unmovable, without a Transfer. They still earn dividends and coupons.
    function freezePartialTokens(address account, uint256 amount)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        _triggerScheduled();
        _freeze(account, amount);
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
        emit TokensUnfrozen(account, amount, PARTITION);
    }

    /// @notice Locks free tokens until a time. Tells of it by a Transfer to nobody, though the supply stays.
    function lock(uint256 amount, address holder, uint256 expiration)
        external
        whenNotPaused
        onlyRole(DEFAULT_ADMIN_ROLE)
        returns (uint256 lockID)
    {
        _triggerScheduled();
        _lock(holder, amount);
        _locks[holder].push(TokenLock(amount, expiration, _adjustmentFactor()));
        _emitTransfer(holder, address(0), amount);
        return _locks[holder].length;
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
        _emitTransfer(address(0), holder, amount);
        return true;
    }

    // ---------------------------------------------------------------------------------- adjustments

    /// @notice Multiplies every balance and the supply by `factor` and adds `moreDecimals` to the decimals,
    /// without any Transfer.
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

    // ---------------------------------------------------------------------------------- internals

    /// @dev The caller has taken the snapshots that are due.
    function _redeem(address holder, uint256 value) internal {
        _debit(holder, value);
        _decreaseSupply(value);
        emit Transfer(holder, address(0), value);
        emit RedeemedByPartition(PARTITION, msg.sender, holder, value, "", "");
    }

    function _issue(address to, uint256 value) private onlyUnlisted(to) {
        _credit(to, value);
        emit Transfer(address(0), to, value);
        emit IssuedByPartition(PARTITION, msg.sender, to, value, "");
    }

    function _transfer(address from, address to, uint256 value) private onlyUnlisted(from) onlyUnlisted(to) {
        _triggerScheduled();
        _debit(from, value);
        _credit(to, value);
        _emitTransfer(from, to, value);
    }

    function _emitTransfer(address from, address to, uint256 value) private {
        emit Transfer(from, to, value);
        emit TransferByPartition(PARTITION, msg.sender, from, to, value, "", "");
    }
}
