// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {RoleControl} from "./RoleControl.sol";

interface ISnapshotAsset {
    function balanceOfAtSnapshot(uint256 snapshotID, address account) external view returns (uint256);
    function totalSupplyAtSnapshot(uint256 snapshotID) external view returns (uint256);
    function getTokenHoldersAtSnapshot(uint256 snapshotID, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory);
}

interface IPaymentToken {
    function balanceOf(address account) external view returns (uint256);
    function decimals() external view returns (uint8);
    function transfer(address to, uint256 value) external returns (bool);
}

/// @notice The devnet's lifecycle contract: pays the holders of one asset, as they stood at a snapshot,
/// from its own balance of one payment token. Lives behind a proxy.
///
/// It keeps the surprises of the contract that it stands in for. A holder already paid for a snapshot is
/// reported as failed. A transfer that fails concerns its payee alone. Arrays are as long as the page,
/// filled from the front and padded with zeros. Amounts are floored per holder and the dust stays.
contract LifeCycleCashFlow is RoleControl {
    struct RoleMembers {
        bytes32 role;
        address[] members;
    }

    /// @dev Lies at BASE, so that the paid flags can be read from storage at BASE + 3.
    struct State {
        address asset;
        bool initialized;
        bool paused;
        address paymentToken;
        bytes32 reserved;
        mapping(uint256 snapshotID => mapping(address holder => bool)) paidSnapshots;
    }

    /// @dev One payout call: which snapshot, at what rate, and what became of its payees so far.
    struct Run {
        uint256 snapshotID;
        uint256 amount;
        uint256 totalSupply;
        address[] failed;
        address[] succeeded;
        uint256[] paidAmount;
        uint256 failedCount;
        uint256 succeededCount;
    }

    uint256 private constant BASE = 0x854679a93cebfd89e2d5a20fdc0f646e935c518a098cea2e09fbcd5137772703;
    /// @dev 100 % with two decimals.
    uint256 private constant WHOLE = 100_00;

    bytes32 internal constant PAUSER_ROLE = 0x8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce;
    bytes32 internal constant PAYOUT_ROLE = 0x88ad01da1e5558735d5b478c04a0f1667377fb68a98cb0278159d0b790f08c10;
    bytes32 internal constant TRANSFERER_ROLE = 0x4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211;
    bytes32 internal constant PAYMENT_TOKEN_MANAGER_ROLE =
        0x15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286;

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
    event PaymentTokenTransferred(address to, uint256 amount);
    event PaymentTokenChanged(address paymentToken);
    event LifeCycleCashFlowPaused(address indexed operator);
    event LifeCycleCashFlowUnpaused(address indexed operator);

    error InvalidAsset(address asset);
    error InvalidPercentage(uint256 percentage);
    error NotEnoughBalance(uint256 amount);
    error TransferERC20TokenFailed(address to, uint256 amount);
    error InvalidPaymentToken(address paymentToken);
    error LifeCycleCashFlowIsPaused();
    error LifeCycleCashFlowIsUnpaused();
    error InvalidInitialization();

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    modifier onlyAsset(address asset) {
        if (asset != _state().asset) revert InvalidAsset(asset);
        _;
    }

    /// @dev The implementation itself can never be initialized; only proxies can.
    constructor() {
        _state().initialized = true;
    }

    function initialize(address asset, address paymentToken, RoleMembers[] calldata rbac) external {
        State storage state = _state();
        if (state.initialized) revert InvalidInitialization();
        state.initialized = true;
        state.asset = asset;
        _setPaymentToken(paymentToken);
        for (uint256 i = 0; i < rbac.length; ++i) {
            for (uint256 j = 0; j < rbac[i].members.length; ++j) {
                _grant(rbac[i].role, rbac[i].members[j]);
            }
        }
    }

    // ---------------------------------------------------------------------------------- payouts

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
        (failed, succeeded, paidAmount, executed) = _payPage(asset, snapshotID, pageIndex, pageLength, amount);
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
            _payPage(asset, snapshotID, pageIndex, pageLength, _shareOfBalance(percentage));
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
        (failed, succeeded, paidAmount) = _pay(asset, snapshotID, holders, amount);
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
        (failed, succeeded, paidAmount) = _pay(asset, snapshotID, holders, _shareOfBalance(percentage));
        emit PercentageSnapshotByAddressesExecuted(snapshotID, holders, percentage, failed, succeeded, paidAmount);
    }

    // ---------------------------------------------------------------------------------- treasury

    function transferPaymentToken(address to, uint256 amount) external whenNotPaused onlyRole(TRANSFERER_ROLE) {
        if (_balance() < amount) revert NotEnoughBalance(amount);
        if (!_tryTransfer(to, amount)) revert TransferERC20TokenFailed(to, amount);
        emit PaymentTokenTransferred(to, amount);
    }

    function updatePaymentToken(address paymentToken)
        external
        whenNotPaused
        onlyRole(PAYMENT_TOKEN_MANAGER_ROLE)
    {
        _setPaymentToken(paymentToken);
        emit PaymentTokenChanged(paymentToken);
    }

    function getPaymentToken() external view returns (address) {
        return _state().paymentToken;
    }

    function getPaymentTokenDecimals() external view returns (uint8) {
        return IPaymentToken(_state().paymentToken).decimals();
    }

    // ---------------------------------------------------------------------------------- pause

    function pause() external whenNotPaused onlyRole(PAUSER_ROLE) returns (bool) {
        _state().paused = true;
        emit LifeCycleCashFlowPaused(msg.sender);
        return true;
    }

    function unpause() external returns (bool) {
        if (!_state().paused) revert LifeCycleCashFlowIsUnpaused();
        _unpause();
        return true;
    }

    function isPaused() external view returns (bool) {
        return _state().paused;
    }

    // ---------------------------------------------------------------------------------- internals

    function _requireNotPaused() internal view override {
        if (_state().paused) revert LifeCycleCashFlowIsPaused();
    }

    function _unpause() private onlyRole(PAUSER_ROLE) {
        _state().paused = false;
        emit LifeCycleCashFlowUnpaused(msg.sender);
    }

    function _payPage(address asset, uint256 snapshotID, uint256 pageIndex, uint256 pageLength, uint256 amount)
        private
        returns (address[] memory failed, address[] memory succeeded, uint256[] memory paidAmount, bool executed)
    {
        address[] memory holders = ISnapshotAsset(asset).getTokenHoldersAtSnapshot(snapshotID, pageIndex, pageLength);
        if (holders.length == 0) return (failed, succeeded, paidAmount, false);
        (failed, succeeded, paidAmount) = _pay(asset, snapshotID, holders, amount);
        executed = true;
    }

    function _pay(address asset, uint256 snapshotID, address[] memory holders, uint256 amount)
        private
        returns (address[] memory, address[] memory, uint256[] memory)
    {
        Run memory run = Run({
            snapshotID: snapshotID,
            amount: amount,
            totalSupply: ISnapshotAsset(asset).totalSupplyAtSnapshot(snapshotID),
            failed: new address[](holders.length),
            succeeded: new address[](holders.length),
            paidAmount: new uint256[](holders.length),
            failedCount: 0,
            succeededCount: 0
        });
        for (uint256 i = 0; i < holders.length; ++i) {
            _payHolder(asset, run, holders[i]);
        }
        return (run.failed, run.succeeded, run.paidAmount);
    }

    /// @dev The flag is set before the token is called, and taken back if the token refuses.
    function _payHolder(address asset, Run memory run, address holder) private {
        mapping(address => bool) storage paid = _state().paidSnapshots[run.snapshotID];
        if (paid[holder]) {
            run.failed[run.failedCount++] = holder;
            return;
        }
        uint256 balance = ISnapshotAsset(asset).balanceOfAtSnapshot(run.snapshotID, holder);
        uint256 share = (run.amount * balance) / run.totalSupply;
        paid[holder] = true;
        if (_tryTransfer(holder, share)) {
            run.succeeded[run.succeededCount] = holder;
            run.paidAmount[run.succeededCount++] = share;
        } else {
            paid[holder] = false;
            run.failed[run.failedCount++] = holder;
        }
    }

    function _shareOfBalance(uint256 percentage) private view returns (uint256) {
        return (_balance() * percentage) / WHOLE;
    }

    function _balance() private view returns (uint256) {
        return IPaymentToken(_state().paymentToken).balanceOf(address(this));
    }

    /// @dev False if the token reverts or answers false; never reverts itself.
    function _tryTransfer(address to, uint256 amount) private returns (bool) {
        (bool done, bytes memory answer) =
            _state().paymentToken.call(abi.encodeCall(IPaymentToken.transfer, (to, amount)));
        return done && (answer.length == 0 || (answer.length == 32 && abi.decode(answer, (uint256)) == 1));
    }

    function _setPaymentToken(address paymentToken) private {
        if (paymentToken.code.length == 0) revert InvalidPaymentToken(paymentToken);
        _state().paymentToken = paymentToken;
    }

    function _state() private pure returns (State storage state) {
        uint256 base = BASE;
        assembly {
            state.slot := base
        }
    }
}
