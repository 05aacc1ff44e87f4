"""When each unit runs: as many at a time as there are processors, the longest first."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from ladder.testing.process import Processes, Result
from ladder.testing.units import Build, Stage, Unit

PAUSE = 0.3  # seconds after which what runs is asked again what it has exercised so far


class Watcher(Protocol):
    """What is told of the units."""

    def began(self, unit: Unit) -> None:
        """It runs now."""

    def ended(self, unit: Unit) -> None:
        """It has run, or will not."""


def run(units: list[Unit], slots: int, shown: bool, watcher: Watcher) -> None:
    """Bring all units to their end. Ctrl-C ends those that run, and is raised again."""
    processes = Processes()
    running: dict[Future[Result], Unit] = {}
    with ThreadPoolExecutor(slots) as threads:
        try:
            while any(not unit.ended for unit in units):
                for unit in startable(units, slots - len(running), watcher):
                    variables = unit.begin()
                    watcher.began(unit)
                    own = shown and not isinstance(unit, Build)
                    future = threads.submit(processes.run, unit.command, unit.folder, variables, own)
                    running[future] = unit
                for future in wait(running, PAUSE, FIRST_COMPLETED).done:
                    unit = running.pop(future)
                    unit.end(future.result())
                    watcher.ended(unit)
        except BaseException:
            processes.stop()
            raise


def startable(units: list[Unit], slots: int, watcher: Watcher) -> Iterator[Unit]:
    """The units to be started now, at most `slots`; those that need not run at all come to their end here."""
    waiting = [unit for unit in units if unit.stage is Stage.WAITING]
    for unit in sorted(waiting, key=lambda unit: unit.expected, reverse=True):
        if any(need.stage is Stage.FAILED for need in unit.needs):
            unit.stage = Stage.FAILED
        elif not all(need.ended for need in unit.needs):
            continue
        elif unit.decide() and slots > 0:
            slots -= 1
            yield unit
        if unit.ended:
            watcher.ended(unit)
