// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

import {Equity} from "./Equity.sol";
import {SecurityToken} from "./SecurityToken.sol";
import {Version8} from "./Version8.sol";

/// @notice The devnet's equity of version 8.
contract EquityTokenVersion8 is Equity, Version8 {
    constructor(string memory name_, string memory symbol_, string memory isin_, uint8 decimals_, address admin_)
        SecurityToken(name_, symbol_, isin_, decimals_, admin_, EQUITY)
    {}

    /// @dev Rounded down to the dividend's own decimals, holder by holder.
    function _dividendOf(uint256 balance, uint256 decimalsThen, uint256 amount, uint256 amountDecimals)
        internal
        pure
        override
        returns (uint256 numerator, uint256 denominator)
    {
        return (balance * amount / 10 ** decimalsThen, 10 ** amountDecimals);
    }
}
