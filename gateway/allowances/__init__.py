"""What a key may use: guesses, pace and spending, leased to each worker in blocks."""
