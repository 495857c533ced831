"""Matrices by name or from a file."""

from hpc_ml.data.bundled import read_bundled
from hpc_ml.data.formats import find_format, load_format
from hpc_ml.data.generators import generate, parse_call
from hpc_ml.data.matrix import Matrix, check_words
from hpc_ml.data.source import DataSource, check_name
from hpc_ml.errors import BadData
from hpc_ml.spec.data import BUNDLED


def read_matrix(source: DataSource) -> Matrix:
    """Return X, y and the names that a bundled table, a generator or a file of arrays gives."""
    name = source.spec.name
    if name is None:
        check_words(source)
        form = find_format(source.path, source.spec.format)
        matrix: Matrix = load_format(form).read(source.path, source)
        return matrix
    check_name(name)
    check_words(source)
    if source.spec.target is not None:
        raise BadData(
            f"the target of {name} is given", where="data.target", hint="leave data.target out"
        )
    if name in BUNDLED:
        return read_bundled(name)
    X, y = generate(parse_call(name, source.seed))
    return Matrix(X, y, None)
