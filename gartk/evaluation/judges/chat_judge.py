"""Any chat model as a judge: it is put a benchmark's questions about predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeQuestion, JudgeReply
from gartk.evaluation.judges.base import OnItem, with_judgements
from gartk.evaluation.models.chat import ChatModel
from gartk.evaluation.models.threads import in_threads
from gartk.evaluation.pictures import ImageFinder, pictures_of

NO_IMAGE = "its image is not there, and this judge is to see it"


class ChatJudge:
    """Asks a chat model about every prediction; what cannot be asked or answered is missing.

    A model that sees pictures is shown them where the benchmark's judge has them; the text and the picture
    form of a question have different versions.

    Args:
        chat: the chat model, after which its verdicts are named.
    """

    def __init__(self, chat: ChatModel) -> None:
        self.chat = chat
        self.name = chat.name

    def about(self) -> dict[str, Any]:
        """Return what changes its verdicts."""
        return {**self.chat.about(), "sees_images": self.chat.sees_images}

    def judge(
        self,
        items: Sequence[Item],
        *,
        benchmark: Benchmark,
        find_image: ImageFinder | None = None,
        on_item: OnItem | None = None,
    ) -> list[Item]:
        """Judge the items that the benchmark asks a judge about.

        Raises: ConfigError if a benchmark is scored without a judge; DataError if an item lacks what its
            question is about, or its image is there and cannot be read; what ends all calls of the model.
        """
        shown = benchmark.to_judge(items)
        done = dict(enumerate(shown))
        jobs = [number for number, item in enumerate(shown) if benchmark.is_asked(item)]

        def work(number: int) -> tuple[int, Item]:
            return number, self._judge_one(shown[number], benchmark, find_image)

        for number, item in in_threads(work, jobs, threads=self.chat.threads, give_up=self.chat.close):
            done[number] = item
            if on_item is not None:
                on_item(item)
        return [done[number] for number in range(len(shown))]

    def _judge_one(self, item: Item, benchmark: Benchmark, find_image: ImageFinder | None) -> Item:
        sees = self.chat.sees_images and benchmark.judge_sees_pictures
        pictures = pictures_of(item, find_image) if sees else None
        asked = benchmark.judge_questions(item, pictures)
        if sees and pictures is None:
            replies = [JudgeReply(question.prompt, None, NO_IMAGE) for question in asked]
        else:
            replies = [self._reply(question) for question in asked]
        return with_judgements(benchmark, item, self.name, replies)

    def _reply(self, question: JudgeQuestion) -> JudgeReply:
        reply = self.chat.reply(question.parts, system=question.system, max_new_tokens=question.max_tokens)
        if reply.text is None:
            return JudgeReply(question.prompt, None, reply.problem or "there was no reply")
        return JudgeReply(question.prompt, reply.text)
