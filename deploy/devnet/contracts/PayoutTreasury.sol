// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {RoleControl} from "./RoleControl.sol";

interface IPaymentToken {
    function balanceOf(address account) external view returns (uint256);
    function decimals() external view returns (uint8);
    function transfer(address to, uint256 value) external returns (bool);
}

/// @notice The money of a lifecycle contract and who may act on it: roles, pause, payment token, paid flags,
/// and the one way in which a payee is paid.
abstract contract PayoutTreasury is RoleControl {
    struct RoleMembers {
        bytes32 role;
        address[] members;
    }

    /// @dev Lies at BASE, so that the paid flags can be read from storage: those of distributions at BASE + 2,
    /// those of snapshots at BASE + 3.
    struct State {
        address asset;
        bool initialized;
        bool paused;
        address paymentToken;
        mapping(uint256 distributionID => mapping(address holder => bool)) paidDistributions;
        mapping(uint256 snapshotID => mapping(address holder => bool)) paidSnapshots;
    }

    /// @dev What became of a call's payees so far. The arrays are as long as the page, filled from the front.
    struct Tally {
        address[] failed;
        address[] succeeded;
        uint256[] paidAmount;
        uint256 failedCount;
        uint256 succeededCount;
    }

    uint256 private constant BASE = 0x854679a93cebfd89e2d5a20fdc0f646e935c518a098cea2e09fbcd5137772703;

    bytes32 internal constant PAUSER_ROLE = 0x8943226357c41253cf6ffc651e04f2a3a7cf1255138972ce150e207c0393cbce;
    bytes32 internal constant TRANSFERER_ROLE = 0x4a16419d45be80f6de7609caac23eb8c7bfe6336a71da3cefd43ea62183ad211;
    bytes32 internal constant PAYMENT_TOKEN_MANAGER_ROLE =
        0x15e92345f55818ea6e01143954b5841c1ba74302c2b157a2b4d0f21f9ad40286;

    event PaymentTokenTransferred(address to, uint256 amount);
    event PaymentTokenChanged(address paymentToken);
    event LifeCycleCashFlowPaused(address indexed operator);
    event LifeCycleCashFlowUnpaused(address indexed operator);

    error InvalidAsset(address asset);
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

    // ---------------------------------------------------------------------------------- money

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

    function getPaymentTokenDecimals() public view returns (uint8) {
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

    // ---------------------------------------------------------------------------------- for the payouts

    function _requireNotPaused() internal view override {
        if (_state().paused) revert LifeCycleCashFlowIsPaused();
    }

    function _newTally(uint256 length) internal pure returns (Tally memory tally) {
        tally.failed = new address[](length);
        tally.succeeded = new address[](length);
        tally.paidAmount = new uint256[](length);
    }

    function _tallyFailure(Tally memory tally, address holder) internal pure {
        tally.failed[tally.failedCount++] = holder;
    }

    /// @dev Pays and writes down what came of it; false if the token refused the payee. Who is due nothing has
    /// succeeded without a transfer.
    function _tryPay(Tally memory tally, address holder, uint256 amount) internal returns (bool) {
        if (amount != 0 && !_tryTransfer(holder, amount)) {
            _tallyFailure(tally, holder);
            return false;
        }
        tally.succeeded[tally.succeededCount] = holder;
        tally.paidAmount[tally.succeededCount++] = amount;
        return true;
    }

    function _balance() internal view returns (uint256) {
        return IPaymentToken(_state().paymentToken).balanceOf(address(this));
    }

    function _state() internal pure returns (State storage state) {
        uint256 base = BASE;
        assembly {
            state.slot := base
        }
    }

    // ---------------------------------------------------------------------------------- internals

    function _unpause() private onlyRole(PAUSER_ROLE) {
        _state().paused = false;
        emit LifeCycleCashFlowUnpaused(msg.sender);
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
}
