"""The version of hpc-ml, and nothing else: packaging reads it without importing the rest."""

__version__ = "0.1.0"
