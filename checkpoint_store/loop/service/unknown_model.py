"""Tell the answer by which a service says that it has no model of the name in the call: each chunk would get it."""

from __future__ import annotations

import re
from typing import Final

from checkpoint_store.loop.service.service_errors import codes_of, status_of
from checkpoint_store.model.error_text import Remedy, add_note, links, note_answer, notes_of, text_of
from checkpoint_store.model.service_answer import answers_in

MODEL_NOT_FOUND: Final = "model_not_found"
"""The code of OpenAI, and of the services that answer as OpenAI does."""
_OTHER_CODES: Final = frozenset({"invalid_model", "model_not_available", "deploymentnotfound", "model_decommissioned"})
"""The codes of Mistral, Together, Azure and Groq, in lower case."""
_LASTING_STATUS: Final = frozenset({400, 404})
"""The statuses with which the code is lasting. With 503, a proxy says that no server has the model now."""
_MODEL_NAME: Final = r"""('[^']+'|"[^"]+"|`[^`]+`|(?=\S*[0-9/:._-])\S+)"""
"""The name of a model in a message: in quotes, or one word with a digit or a sign. A word of letters (``Model car not
found``) may be a thing that the chunk is about, and so may two words (``asset 17``)."""
_MESSAGE: Final = re.compile(
    r"model: \S+"  # Anthropic
    rf"|(the |the requested |publisher )?models?\b[ /:]*({_MODEL_NAME} )?"
    r"(is |was )?(not found|(does not|not) exist)\b.*"
    r"|\S+ is not a valid model id|no endpoints found for \S+"  # OpenRouter
    r"|the provided model identifier is invalid\.?|invocation of model id \S+ with on-demand throughput .*",  # Bedrock
    re.IGNORECASE | re.DOTALL,
)
"""The messages of services without a code for an unknown model. The second is that of Ollama, Google, vLLM, xAI …"""
_REMEDY: Final = "Correct the model, then run the job again."


def names_unknown_model(error: BaseException) -> bool:
    """Whether a service says that it has no model of this name, or none that the key may use."""
    if status_of(error) not in _LASTING_STATUS:
        return False
    codes = frozenset(codes_of(error))
    return MODEL_NOT_FOUND in codes or not codes.isdisjoint(_OTHER_CODES) or _is_named_in_words(error)


def _is_named_in_words(error: BaseException) -> bool:
    texts = (words for link in links(error) for words in (*answers_in(link), text_of(link)))  # ollama has a text alone
    return any(_MESSAGE.fullmatch(words.strip()) for words in texts)


def with_remedy(error: BaseException) -> BaseException:
    """Return an error of the work. If it is about an unknown model, its notes have the answer and the remedy."""
    if names_unknown_model(error) and _REMEDY not in notes_of(error):
        note_answer(error)
        add_note(error, Remedy(_REMEDY))
    return error
