"""What a skops file may hold: types that hold numbers and words, and execute nothing when read.

skops by itself trusts scikit-learn's estimators and what they are made of, with exceptions
(https://skops.readthedocs.io/en/stable/persistence.html). Those that models need are named here.
Trees are among them, since their numbers lead into memory: they are checked after they are read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpc_ml.errors import BadJob

_METRICS = (
    "Euclidean", "SEuclidean", "Manhattan", "Chebyshev", "Minkowski", "Hamming", "Canberra",
    "BrayCurtis", "Jaccard", "Dice", "Haversine",
)  # fmt: skip
_KERNELS = (
    "CompoundKernel", "Sum", "Product", "Exponentiation", "ConstantKernel", "WhiteKernel", "RBF",
    "Matern", "RationalQuadratic", "ExpSineSquared", "DotProduct", "PairwiseKernel",
)  # fmt: skip
TRUSTED = frozenset(
    (
        "collections.OrderedDict",
        "collections.defaultdict",
        "hpc_ml.data.preparation_steps.DeriveColumns",
        "hpc_ml.estimators.xgboost_labels.LabelledXGBClassifier",
        "lightgbm.basic.Booster",
        "lightgbm.compat._LGBMLabelEncoder",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "numpy.max",
        "numpy.mean",
        "numpy.min",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
        "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRegressor",
        *(f"sklearn.metrics._dist_metrics.{name}Distance64" for name in _METRICS),
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
    )
)


def read_trusted(path: Path, trust: Sequence[str] = ()) -> Any:
    """Return what a skops file holds, if all its types are trusted; nothing is executed before.

    Raises
    ------
    BadJob
        Naming a type that is not trusted, or a tree that leads out of its bounds.
    """
    import skops.io

    from hpc_ml.tasks.tree_bounds import check_trees

    known = {*TRUSTED, *trust}
    found = skops.io.get_untrusted_types(file=path)
    if refused := [name for name in found if name not in known]:
        more = f" and {len(refused) - 1} more types" if refused[1:] else ""
        raise BadJob(
            f"the model holds {refused[0]}{more}, which hpc-ml does not trust: nothing was read",
            where=str(path),
            hint=f"if you know that it is harmless, say --trust {','.join(refused)}",
        )
    model = skops.io.load(path, trusted=found)
    check_trees(model, str(path))
    return model
