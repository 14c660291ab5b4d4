"""Errors let go of the frames that raised them, whatever stands behind them."""

from gateway.errors import GatewayError, let_go


def raised(behind: BaseException | None) -> GatewayError:
    error = GatewayError("broken")
    try:
        raise error from (error if behind is None else behind)
    except GatewayError as caught:
        return caught


def test_an_error_that_is_its_own_cause_ends_the_chain() -> None:
    error = raised(None)
    let_go(error)
    assert error.__traceback__ is None


def test_the_errors_behind_it_let_go_too() -> None:
    cause = raised(None)
    error = raised(cause)
    let_go(error)
    assert cause.__traceback__ is None
    let_go(None)
