"""`python -m hpc_ml` is `hpc-ml`."""

from hpc_ml.cli.main import cli


def main() -> None:
    """Run the command line of this process."""
    cli()


if __name__ == "__main__":
    main()
