"""What a step may say instead of an output: raise one of these, and the engine decides what happens next."""


class Signal(Exception):
    """Something a step says on purpose; never an accident. `sure`: nothing happened on the outside."""

    sure: bool = True


class RetryLater(Signal):
    """Try this step again after some time: the other side asked for it, or something is not there yet."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Fatal(Signal):
    """Trying again cannot help: the run becomes a dead letter."""


class Duplicate(Signal):
    """This was done before: the run ends well, and nothing more is done."""


class Finished(Signal):
    """There is nothing more to do: the run ends well before its last step. The reason is one lower-case word."""


class Held(Signal):
    """The gateway holds the model's answer for a person: the run waits for them without holding a worker."""

    def __init__(self, review_id: str) -> None:
        super().__init__(f"held for review {review_id}")
        self.review_id = review_id
