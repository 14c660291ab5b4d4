"""The rules as typed values, and pure decisions over them."""
