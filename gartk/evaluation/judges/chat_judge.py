"""Any chat model as a judge: it is put a benchmark's questions about predictions."""

from __future__ import annotations

from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeQuestion, JudgeReply
from gartk.evaluation.judges.base import Judge
from gartk.evaluation.models.chat import ChatModel
from gartk.evaluation.pictures import ImageFinder, pictures_of

NO_IMAGE = "its image is not there, and this judge is to see it"


class ChatJudge(Judge):
    """Asks a chat model about every prediction; what cannot be asked or answered is missing.

    A model that sees pictures is shown them where the benchmark's judge has them; the text and the picture
    form of a question have different versions.

    Args:
        chat: the chat model, after which its verdicts are named.
    """

    def __init__(self, chat: ChatModel) -> None:
        self.chat = chat
        self.name = chat.name
        self.threads = chat.threads

    def about(self) -> dict[str, Any]:
        """Return what changes its verdicts."""
        return {**self.chat.about(), "sees_images": self.chat.sees_images}

    def replies(
        self, item: Item, *, benchmark: Benchmark, find_image: ImageFinder | None
    ) -> list[JudgeReply]:
        """Ask the benchmark's questions.

        Raises: DataError if an item lacks what its question is about, or its image is there and cannot be
            read; what ends all calls of the model.
        """
        sees = self.chat.sees_images and benchmark.judge_sees_pictures
        pictures = pictures_of(item, find_image) if sees else None
        asked = benchmark.judge_questions(item, pictures)
        if sees and pictures is None:
            return [JudgeReply(question.prompt, None, NO_IMAGE) for question in asked]
        return [self._ask(question) for question in asked]

    def _ask(self, question: JudgeQuestion) -> JudgeReply:
        reply = self.chat.reply(question.parts, system=question.system, max_new_tokens=question.max_tokens)
        problem = "" if reply.text is not None else reply.problem or "there was no reply"
        return JudgeReply(question.prompt, reply.text, problem)

    def close(self) -> None:
        """Stop waiting questions."""
        self.chat.close()
