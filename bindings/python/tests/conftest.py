"""What several modules need."""

import pytest

#: The secret that Filedgr's guide uses in its examples.
SECRET = "your-webhook-secret-key"


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now=1_705_314_600.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secret():
    return SECRET
