"""The functions that the YAML files beside this one name; lmms-eval loads this file by its path."""

from gartk_lmms_eval import documents
from gartk_lmms_eval.documents import doc_to_messages, doc_to_text, doc_to_visual, documents_of

__all__ = ["doc_to_messages", "doc_to_text", "doc_to_visual", "documents_of"]

globals().update(documents.FUNCTIONS)
