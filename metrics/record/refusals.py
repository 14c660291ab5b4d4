"""Why a question is not answered, and why sealed content stays closed."""


class QueryError(ValueError):
    """The question cannot be answered as asked; the sentence says why."""


class QueryTimeoutError(QueryError):
    """The question took longer than allowed."""


class KeysError(Exception):
    """What is sealed here cannot be opened, or sealed, with these keys; the sentence says why and never holds a key."""
