"""Back-pressure of a worker: fewer runs while the gateway is slower than usual, all of them once it is not."""

from itertools import repeat

from automations.worker.pressure import Pressure


def told(pressure: Pressure, *times: float) -> int:
    for seconds in times:
        pressure.took(seconds)
    return pressure.allowed


def test_a_gateway_that_slows_down_gets_less_and_one_that_is_quick_again_gets_all() -> None:
    pressure = Pressure(8)
    assert told(pressure, *repeat(0.004, 50)) == 8
    assert told(pressure, *repeat(0.2, 10)) < 5
    assert told(pressure, *repeat(0.2, 100)) == 1
    assert told(pressure, *repeat(0.004, 100)) == 8


def test_a_gateway_far_away_is_not_taken_for_a_slow_one() -> None:
    assert told(Pressure(8), *repeat(0.3, 200)) == 8


def test_what_was_unusually_quick_once_is_forgotten() -> None:
    assert told(Pressure(4), 0.0001, *repeat(0.1, 5000)) == 4
