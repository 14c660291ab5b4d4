"""Journal, sealed content, recorder and ledger."""
