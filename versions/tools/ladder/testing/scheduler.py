"""Runs the units, as many at a time as there are processors, the longest first."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from ladder.testing.process import Processes, Result
from ladder.testing.units import Build, Stage, Unit

PAUSE = 0.3  # seconds between two looks at what the running units have exercised so far


class Watcher(Protocol):
    """Hears of each unit when it begins and when it ends."""

    def began(self, unit: Unit) -> None:
        """The unit has started to run."""

    def ended(self, unit: Unit) -> None:
        """The unit has run, or will not run."""


def run(units: list[Unit], slots: int, shown: bool, watcher: Watcher) -> None:
    """Run all units. Ctrl-C stops those that are running, and is raised again."""
    processes = Processes()
    running: dict[Future[Result], Unit] = {}
    with ThreadPoolExecutor(int(slots / Build.load)) as threads:
        try:
            while any(not unit.ended for unit in units):
                free = slots - sum(unit.load for unit in running.values())
                for unit in startable(units, free, watcher):
                    variables = unit.begin()
                    watcher.began(unit)
                    own = shown and not isinstance(unit, Build)
                    future = threads.submit(processes.run, unit.command, unit.folder, variables, own)
                    running[future] = unit
                free = slots - sum(unit.load for unit in running.values())
                for future in wait(running, PAUSE if free >= Build.load else None, FIRST_COMPLETED).done:
                    unit = running.pop(future)
                    unit.end(future.result())
                    watcher.ended(unit)
        except BaseException:
            processes.stop()
            raise


def startable(units: list[Unit], slots: float, watcher: Watcher) -> Iterator[Unit]:
    """The units to start now, which fill at most `slots`. Those that do not have to run end here.

    Once the slots are full no more units are looked at: to decide about all of them takes a tenth of a second.
    """
    waiting = [unit for unit in units if unit.stage is Stage.WAITING]
    for unit in sorted(waiting, key=lambda unit: unit.expected, reverse=True):
        if slots < Build.load:
            break
        if any(need.stage is Stage.FAILED for need in unit.needs):
            unit.stage = Stage.FAILED
        elif not all(need.ended for need in unit.needs):
            continue
        elif unit.decide() and slots >= unit.load:
            slots -= unit.load
            yield unit
        if unit.ended:
            watcher.ended(unit)
