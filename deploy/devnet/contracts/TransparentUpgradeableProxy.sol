// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @notice What the proxy answers to its admin, and to nobody else.
interface IUpgradeableProxy {
    function upgradeToAndCall(address implementation, bytes calldata data) external payable;
}

/// @notice A proxy with its implementation and admin in the slots of EIP-1967. The admin can only upgrade;
/// everyone else only reaches the implementation, so that no selector of it is shadowed.
contract TransparentUpgradeableProxy {
    /// @dev keccak256("eip1967.proxy.implementation") - 1
    bytes32 private constant IMPLEMENTATION_SLOT =
        0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    /// @dev keccak256("eip1967.proxy.admin") - 1
    bytes32 private constant ADMIN_SLOT =
        0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103;

    event Upgraded(address indexed implementation);
    event AdminChanged(address previousAdmin, address newAdmin);

    error NotAContract(address implementation);
    error AdminCanOnlyUpgrade();
    error UnexpectedValue();

    constructor(address implementation, address proxyAdmin, bytes memory data) payable {
        assembly {
            sstore(ADMIN_SLOT, proxyAdmin)
        }
        emit AdminChanged(address(0), proxyAdmin);
        _upgrade(implementation, data);
    }

    receive() external payable {
        _dispatch();
    }

    fallback() external payable {
        _dispatch();
    }

    function _dispatch() private {
        if (msg.sender == _admin()) {
            if (msg.sig != IUpgradeableProxy.upgradeToAndCall.selector) revert AdminCanOnlyUpgrade();
            (address implementation, bytes memory data) = abi.decode(msg.data[4:], (address, bytes));
            _upgrade(implementation, data);
        } else {
            _delegate();
        }
    }

    function _upgrade(address implementation, bytes memory data) private {
        if (implementation.code.length == 0) revert NotAContract(implementation);
        assembly {
            sstore(IMPLEMENTATION_SLOT, implementation)
        }
        emit Upgraded(implementation);
        if (data.length == 0) {
            if (msg.value != 0) revert UnexpectedValue();
            return;
        }
        (bool done, bytes memory answer) = implementation.delegatecall(data);
        if (!done) {
            assembly {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }

    function _admin() private view returns (address admin) {
        assembly {
            admin := sload(ADMIN_SLOT)
        }
    }

    /// @dev Hands on the call data and the answer, or the error, unchanged.
    function _delegate() private {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let done := delegatecall(gas(), sload(IMPLEMENTATION_SLOT), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch done
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}
