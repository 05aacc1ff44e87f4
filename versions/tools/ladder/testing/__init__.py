"""Runs the tests of all parts of the repository, as many at a time as there are processors, and remembers what passed.

`plan.py` lists what to run, `scheduler.py` runs it, and `report.py` prints the progress and the results. `tracing.py`
and `hook.py` record what a test file exercises, `snapshot.py` and `machine.py` take digests of its state, and
`memory.py` has the rule that lets a test file be skipped when it has passed, and the reasons why that is safe.
"""
