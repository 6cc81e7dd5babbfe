"""Near-duplicates: exact, order-independent removal with a kept witness for every removed prompt."""
