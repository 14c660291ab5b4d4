"""Why a question is not answered."""


class QueryError(ValueError):
    """The question cannot be answered as asked; the sentence says why."""


class QueryTimeoutError(QueryError):
    """The question took longer than allowed."""
