"""The environment's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_model_service.settings import Settings, SettingsError


def test_nothing_set_serves_the_baked_model() -> None:
    """Without a bucket there is no parameter to follow, and the limits have defaults."""
    settings = Settings.read({})
    assert (None, None, 6291456) == (settings.bucket, settings.parameter, settings.max_body)


def test_a_bucket_alone_follows_its_latest() -> None:
    """The bucket's `latest` names the version when no parameter is set."""
    assert "file:///models/latest" == Settings.read({"MODEL_BUCKET": "/models"}).parameter


def test_a_bucket_in_s3_has_its_latest_there() -> None:
    """As a folder has; a folder may be written as its URL."""
    settings = Settings.read({"MODEL_BUCKET": "s3://models/ontime/", "MODEL_PICKLES": "s3://models/ontime"})
    assert "s3://models/ontime/latest" == settings.parameter
    assert (settings.bucket,) == settings.pickles
    assert Path("/models") == Settings.read({"MODEL_BUCKET": "file:///models"}).bucket


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MODEL_VERSION_PARAMETER": "file:///x"}, "MODEL_BUCKET is not"),
        ({"MAX_ROWS": "many"}, "MAX_ROWS: found 'many', allowed is a whole number from 1 to 1000000"),
        ({"MAX_BODY_BYTES": "0"}, "MAX_BODY_BYTES: found '0'"),
        ({"ENDPOINT_NAME": "../models"}, "ENDPOINT_NAME: found '../models', allowed are letters, digits"),
        ({"MODEL_PICKLES": "models"}, "MODEL_PICKLES: found 'models', allowed are absolute paths, file:///"),
        ({"MODEL_PICKLES": "/models, s3://models_"}, "MODEL_PICKLES: found 's3://models_'"),
        ({"MODEL_BUCKET": "gs://models"}, "MODEL_BUCKET: found 'gs://models', allowed is a folder, file:///"),
        ({"MODEL_PICKLES": "file://elsewhere/models"}, "MODEL_PICKLES: found"),
        ({"MODEL_PICKLES": __file__}, "MODEL_PICKLES: found"),
    ],
)
def test_a_bad_value_is_named(environ: dict[str, str], message: str) -> None:
    """The error names the variable, what was found and what is allowed."""
    with pytest.raises(SettingsError, match=message):
        Settings.read(environ)


def test_a_bucket_that_is_not_there_yet_can_be_trusted() -> None:
    """Versions may be published later; its path is kept without links and dots."""
    settings = Settings.read({"MODEL_PICKLES": "/nowhere/models/../ml-models-bucket/, file:///nowhere/a%20b"})
    assert ["/nowhere/ml-models-bucket", "/nowhere/a b"] == [str(path) for path in settings.pickles]
