"""A kill, in this process: nothing that runs on sees it, and files stay as they are."""

from contextlib import contextmanager

import pytest


class KilledError(BaseException):
    """No ``except Exception`` holds it back."""


def die(*args, **names):
    raise KilledError


@contextmanager
def killed_at(*place):
    """Within it a function, by its place as ``monkeypatch.setattr`` takes it, kills."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*place, die)
        with pytest.raises(KilledError):
            yield
