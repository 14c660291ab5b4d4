"""Scripts that build, train and evaluate the names model."""
