"""The weekly review: built once from the ledger, frozen, and shown the same way everywhere."""
