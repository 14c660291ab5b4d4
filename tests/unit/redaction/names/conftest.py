import pytest

from redaction.names.recognizer import Names, load_names


@pytest.fixture(scope="session")
def names() -> Names:
    return load_names()
