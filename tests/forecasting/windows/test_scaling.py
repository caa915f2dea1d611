import json

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from forecasting.windows.scaling import Scaler
from titans_seq.errors import UserError


@pytest.fixture
def values() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)) * [1.0, 10.0, 1e-3] + [0.0, 5.0, 100.0]
    values[rng.random(values.shape) < 0.1] = np.nan
    return values


def test_agrees_with_sklearn_also_with_missing_values(values):
    scaler, reference = Scaler.fit(values), StandardScaler().fit(values)
    np.testing.assert_allclose(scaler.mean, np.asarray(reference.mean_), rtol=1e-13)
    np.testing.assert_allclose(scaler.std, np.asarray(reference.scale_), rtol=1e-12)
    expected = np.asarray(reference.transform(values))
    np.testing.assert_allclose(scaler.transform(values), expected, rtol=1e-9, atol=1e-12)


def test_constant_channel_has_deviation_one():
    scaler = Scaler.fit(np.full((7, 1), 0.1, dtype=np.float64))
    assert scaler == Scaler((0.1,), (1.0,))
    assert (scaler.transform(np.full((2, 1), 0.1)) == 0).all()


def test_float32_rows_are_averaged_in_float64():
    values = np.full((100_000, 1), 1e4, dtype=np.float32)
    values[::2] += 1
    assert Scaler.fit(values) == Scaler((10000.5,), (0.5,))


def test_dict_round_trip_through_json(values):
    scaler = Scaler.fit(values)
    assert Scaler.from_dict(json.loads(json.dumps(scaler.to_dict()))) == scaler


def test_a_channel_without_values_is_refused_by_name():
    values = np.array([[1.0, np.nan], [2.0, np.nan]])
    with pytest.raises(UserError, match="channel 'rain' has no observed value in the 2 training rows"):
        Scaler.fit(values, channels=("wind", "rain"))
    with pytest.raises(UserError, match="channel number 2 has no"):
        Scaler.fit(values)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="mean has 1 channels, std has 2"):
        Scaler((0.0,), (1.0, 1.0))
    with pytest.raises(ValueError, match="positive"):
        Scaler((0.0,), (0.0,))
    with pytest.raises(ValueError, match=r"the scaler has 1 channels, the last axis of \(3, 2\) has not"):
        Scaler((0.0,), (1.0,)).transform(np.zeros((3, 2)))


@pytest.mark.parametrize("size", [1e-300, 1e-20, 1e145])
def test_the_scale_of_the_data_does_not_matter(size):
    scaler = Scaler.fit(size * np.array([[1.0], [3.0], [np.nan]]))
    np.testing.assert_allclose((scaler.mean[0], scaler.std[0]), (2 * size, size), rtol=1e-12)
