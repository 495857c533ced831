"""SIGKILL of a controller, and its run resumed with another number of workers."""

from tests.faults.bench import Bench
from tests.faults.controllers import Controller, await_result, find_run
from tests.faults.table import Outcome

FAULT = "controller killed"


def kill_controller(bench: Bench, moment_s: float, workers_after: int) -> Outcome:
    """Kill the controller at a moment, resume with other workers, and compare."""
    folder, controller = bench.start("kill")
    if controller.await_moment(moment_s):
        controller.kill()
    spent_s, left = controller.age_s, controller.count_left()
    run = find_run(folder)
    if run is None:  # there was none yet
        return Outcome(FAULT, bench.name, moment_s, survived=True, lost_s=spent_s)
    words = ("resume", run.name, *bench.place, "--workers", str(workers_after))
    resumed = Controller(folder, words)
    result = await_result(folder, resumed)
    return bench.judge(
        FAULT, moment_s, result, processes=left + resumed.count_left(),
        wall_s=spent_s + result.wall_s,
    )  # fmt: skip
