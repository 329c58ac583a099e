"""The plug-in for pytest: a fixture that kills a script at its calls, and checks that no answer is paid for twice.

pytest loads this module at its start, in every project that has the package installed. So it imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from checkpoint_store.testing.killing import KillAndResume

__all__ = ["kill_and_resume"]


@pytest.fixture
def kill_and_resume(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KillAndResume:
    """Kill a script at its calls, start it again until it is done, and check that nothing done is asked again.

    See :class:`checkpoint_store.testing.killing.KillAndResume` for its arguments.
    """
    from checkpoint_store.testing.killing import KillAndResume

    return KillAndResume(request.config.rootpath, lambda: tmp_path_factory.mktemp("kill_and_resume"))
