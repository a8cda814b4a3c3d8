// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @dev What of a security token a payout uses. Functions that versions 7 and 8 share, but for the maturity.
struct AssetInfo {
    string name;
    string symbol;
    string isin;
    uint8 decimals;
}

struct AssetMetadata {
    AssetInfo info;
    uint8 securityType;
}

struct Dividend {
    uint256 recordDate;
    uint256 executionDate;
    uint256 amount;
    uint8 amountDecimals;
}

struct RegisteredDividend {
    Dividend dividend;
    uint256 snapshotId;
}

struct Coupon {
    uint256 recordDate;
    uint256 executionDate;
    uint256 startDate;
    uint256 endDate;
    uint256 fixingDate;
    uint256 rate;
    uint8 rateDecimals;
    uint8 rateStatus;
}

struct RegisteredCoupon {
    Coupon coupon;
    uint256 snapshotId;
}

interface IAsset {
    function getERC20Metadata() external view returns (AssetMetadata memory);
    function getSecurityHolders(uint256 pageIndex, uint256 pageLength) external view returns (address[] memory);
    function balanceOfAtSnapshot(uint256 snapshotID, address account) external view returns (uint256);
    function totalSupplyAtSnapshot(uint256 snapshotID) external view returns (uint256);
    function getTokenHoldersAtSnapshot(uint256 snapshotID, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory);
}

interface IEquity {
    function getDividend(uint256 dividendId) external view returns (RegisteredDividend memory, bool isDisabled);
    function getDividendAmountFor(uint256 dividendId, address account)
        external
        view
        returns (uint256 numerator, uint256 denominator, bool recordDateReached);
    function getDividendHolders(uint256 dividendId, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory);
}

interface IBond {
    function getCoupon(uint256 couponId) external view returns (RegisteredCoupon memory, bool isDisabled);
    function getCouponAmountFor(uint256 couponId, address account)
        external
        view
        returns (uint256 numerator, uint256 denominator, bool recordDateReached);
    function getCouponHolders(uint256 couponId, uint256 pageIndex, uint256 pageLength)
        external
        view
        returns (address[] memory);
    function getPrincipalFor(address account) external view returns (uint256 numerator, uint256 denominator);
    function fullRedeemAtMaturity(address account) external;
}

interface IBondVersion7 {
    function getBondDetails()
        external
        view
        returns (
            bytes3 currency,
            uint256 nominalValue,
            uint8 nominalValueDecimals,
            uint256 startingDate,
            uint256 maturityDate
        );
}

interface IBondVersion8 {
    function getMaturityDate() external view returns (uint256);
}
