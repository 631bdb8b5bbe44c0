"""The size of a large ledger, the time to prune and vacuum it, and the same ledger with a partition for each month."""
