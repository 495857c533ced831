"""The request to stop that `hpc-ml cancel` leaves in a run, and that its controller looks for."""

from hpc_ml.runs.atomic import explain_write_failure, write_json
from hpc_ml.runs.layout import RunLayout
from hpc_ml.runs.processes import ProcessMark
from hpc_ml.runs.record import read_clock


def request_cancel(layout: RunLayout) -> None:
    """Ask the run's controller to stop, wherever it is. Raises TaskFailed."""
    asker = ProcessMark.current()
    request = {"time": read_clock().isoformat(), "host": asker.host, "pid": asker.pid}
    try:
        write_json(layout.cancel_file, request)
    except OSError as error:
        raise explain_write_failure(layout.cancel_file, error) from error


def clear_cancel(layout: RunLayout) -> None:
    """Forget a request to stop: the first thing to do when a run is resumed.

    `hpc-ml cancel` leaves it, since a controller that was only paused shall hear it yet.
    """
    layout.cancel_file.unlink(missing_ok=True)
