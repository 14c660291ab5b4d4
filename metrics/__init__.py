"""The memory: the record of every call, its health and its proof."""
