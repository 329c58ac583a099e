"""Tell the answer by which a service says that it has no model of the name in the call: each chunk would get it."""

from __future__ import annotations

from typing import Final

from checkpoint_store.loop.service.service_errors import codes_of, data_of, status_of, words_in
from checkpoint_store.model.error_text import describe, links

MODEL_NOT_FOUND: Final = "model_not_found"
"""The code of OpenAI, and of the services that answer as OpenAI does."""
_LASTING_STATUS: Final = frozenset({400, 404})
"""The statuses with which the code is lasting. With 503, a proxy says that no server has the model now."""
_MESSAGE: Final = frozenset({"message"})


def names_unknown_model(error: BaseException) -> bool:
    """Whether a service says that it has no model of this name, or none that the key may use."""
    return status_of(error) in _LASTING_STATUS and MODEL_NOT_FOUND in codes_of(error)


def remedy_for(error: BaseException) -> str:
    """Return what to do about an unknown model, with what the service says if the text of the error lacks it.

    For any other error the remedy is an empty text.
    """
    if not names_unknown_model(error):
        return ""
    message = next((word for link in links(error) for data in data_of(link) for word in words_in(data, _MESSAGE)), "")
    news = f"The service says: {message} " if message not in describe(error) else ""
    return describe(f"{news}Correct the model, then run the job again.")
