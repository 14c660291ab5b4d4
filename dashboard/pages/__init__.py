"""One module per page; each shows what a `Data` gives it."""
