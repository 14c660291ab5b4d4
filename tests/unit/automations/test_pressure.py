"""Back-pressure of a worker: fewer runs while the gateway waits for the processor, all of them once it does not."""

from itertools import repeat

from automations.worker.pressure import Pressure


def told(pressure: Pressure, *waits_us: float) -> int:
    for wait_us in waits_us:
        pressure.heard(wait_us)
    return pressure.allowed


def test_a_crowded_gateway_gets_less_and_one_that_waits_no_more_gets_all() -> None:
    pressure = Pressure(8)
    assert told(pressure, *repeat(25, 50)) == 8
    assert pressure.rest_s(1.0) == 0
    assert told(pressure, *repeat(2000, 10)) < 5
    assert told(pressure, *repeat(2000, 30)) == 1
    assert 0 < pressure.rest_s(0.1) <= 0.15
    assert pressure.rest_s(60.0) == 0.15
    assert told(pressure, *repeat(25, 150)) == 8


def test_a_machine_that_others_crowd_for_long_is_taken_for_usual() -> None:
    assert told(Pressure(4), 25, *repeat(3000, 5000)) == 4


def test_a_gateway_that_cannot_tell_is_not_taken_for_crowded() -> None:
    assert told(Pressure(8), *repeat(0, 200)) == 8
