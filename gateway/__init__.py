"""The data plane: one governed call after another, and the programs around it."""
