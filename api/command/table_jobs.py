"""Tables measured side by side: each in a process of its own, with its share of the processors and its own log."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def side_by_side(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    log_of: Callable[[Task], Path],
    then: Callable[[Task], Sequence[Task]] = lambda _: (),
) -> Iterator[tuple[Task, Result]]:
    """What ``work`` gives for every task, as it comes, at most ``jobs`` at once; ``work`` and tasks can be pickled.

    ``then`` is asked, once what a task gave has been taken, which tasks follow it: they come after those that wait
    already. With one job, or one task to begin with, all is done in this process and in this order. Else what a task
    prints goes to the end of its log.

    Raises:
        Exception: the first that a task raises, after those under way have ended.
    """
    if jobs == 1 or len(tasks) < 2:
        queue = deque(tasks)
        while queue:
            task = queue.popleft()
            yield task, work(task)
            queue.extend(then(task))
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    share = str(max(1, (os.cpu_count() or 1) // jobs))
    os.environ |= {name: os.environ.get(name, share) for name in _THREADS}
    try:
        context = multiprocessing.get_context("spawn")  # a fork would keep the threads of BLAS and torch half alive
        with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
            waiting = {pool.submit(_logged, work, task, log_of(task)): task for task in tasks}
            try:
                while waiting:
                    for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                        task = waiting.pop(done)
                        yield task, done.result()
                        waiting |= {pool.submit(_logged, work, more, log_of(more)): more for more in then(task)}
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _logged(work: Callable[[Task], Result], task: Task, log: Path) -> Result:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    return work(task)
