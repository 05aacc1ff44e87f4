"""Runs the tests of all parts of the repository, as many at a time as there are processors, and remembers what passed.

`plan.py` says what is to be run, `scheduler.py` when, `report.py` what is told of it. `tracing.py` and `hook.py` find
out what a test file exercises, `snapshot.py` and `machine.py` what state that is in, and `memory.py` has the rule by
which a test file need not run again, with the reasons why that is safe.
"""
