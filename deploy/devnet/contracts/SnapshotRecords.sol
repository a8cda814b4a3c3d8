// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @dev The value that held for every snapshot after the previous record's, up to `snapshotID`. An amount of
/// tokens is worth `value` under the adjustment factor `factor`; other values need no factor.
struct Record {
    uint32 snapshotID;
    uint64 factor;
    uint160 value;
}

/// @notice Copy on write: a value is recorded at its first change after a snapshot, never when one is taken.
library SnapshotRecords {
    /// @dev Keeps the value from before the first change since the last snapshot.
    function keep(Record[] storage records, uint32 snapshotID, uint64 factor, uint160 oldValue) internal {
        if (snapshotID == 0) return;
        uint256 length = records.length;
        if (length != 0 && records[length - 1].snapshotID == snapshotID) return;
        records.push(Record(snapshotID, factor, oldValue));
    }

    /// @dev The first record made at or after the snapshot, or else what is live.
    function lookUp(Record[] storage records, uint256 snapshotID, uint64 liveFactor, uint160 live)
        internal
        view
        returns (Record memory)
    {
        uint256 low = 0;
        uint256 high = records.length;
        uint256 length = high;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (records[middle].snapshotID < snapshotID) low = middle + 1;
            else high = middle;
        }
        return low == length ? Record(0, liveFactor, live) : records[low];
    }
}
