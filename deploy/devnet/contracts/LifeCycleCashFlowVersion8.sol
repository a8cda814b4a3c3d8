// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {IBondVersion8} from "./IAsset.sol";
import {LifeCycleCashFlow} from "./LifeCycleCashFlow.sol";

/// @notice The devnet's lifecycle contract for assets of version 8. Nobody has published one: the published contract
/// asks a bond for what version 8 no longer tells. This one differs in that question alone.
contract LifeCycleCashFlowVersion8 is LifeCycleCashFlow {
    function _maturityDate(address bond) internal view override returns (uint256) {
        return IBondVersion8(bond).getMaturityDate();
    }
}
