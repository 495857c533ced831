"""What an exit code says of how a job ended; the same for every scheduler."""

import signal

_MEANINGS = {
    69: "the node gave it no GPU",
    73: "the folder for its temporary files belongs to another user",
    75: "it was stopped, and its run can be resumed",
    126: "its command could not be run: is the Python of the job executable on the compute nodes?",
    127: "its command was not found: do the compute nodes see the Python of the job?",
}


def explain_exit(exit_code: int) -> str:
    """Return how a job ended, in words that follow on 'the job'; codes past 128 are signals."""
    if exit_code == 0:
        return "ended by itself"
    if exit_code in _MEANINGS:
        return f"ended with exit code {exit_code}: {_MEANINGS[exit_code]}"
    if 128 < exit_code < 128 + signal.NSIG:
        return f"was {explain_signal(exit_code - 128)}"
    return f"failed with exit code {exit_code}"


def explain_signal(number: int) -> str:
    """Return words for a job that a signal killed."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if name == "SIGKILL":
        return "killed by SIGKILL, as happens when memory runs out"
    return f"killed by {name}"
