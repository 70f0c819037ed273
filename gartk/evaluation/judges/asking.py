"""What judges that are language models share: asking the questions, several at once, and keeping failures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from gartk.errors import ConfigError, JudgeError
from gartk.evaluation.benchmarks.base import Benchmark
from gartk.evaluation.item import Item
from gartk.evaluation.judgements import JudgeQuestion, JudgeReply
from gartk.evaluation.judges.base import OnItem, with_judgements
from gartk.evaluation.pictures import ImageFinder, pictures_of
from gartk.evaluation.testees.threads import in_threads

NO_IMAGE = "its image is not there, and this judge is to see it"


class AskingJudge(ABC):
    """A judge that puts questions to a language model; what cannot be asked or answered is missing.

    Args:
        name: what its verdicts are recorded under.
        sees_images: whether questions carry pictures where the benchmark's judge has them; the text
            and the picture form of a question have different versions.
        threads: how many items are judged at once.
    """

    def __init__(self, *, name: str, sees_images: bool, threads: int = 1) -> None:
        if threads < 1:
            raise ConfigError(f"{type(self).__name__}.threads must be at least 1; got {threads}.")
        self.name = name
        self.sees_images = sees_images
        self._threads = threads

    @abstractmethod
    def ask(self, question: JudgeQuestion) -> str:
        """Give the reply to a question.

        Raises: JudgeError if there is none; it is missing then, and the others go on. Any other error
            ends the run.
        """

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
            question is about, or its image is there and cannot be read.
        """
        shown = benchmark.to_judge(items)
        done = dict(enumerate(shown))
        jobs = [number for number, item in enumerate(shown) if benchmark.is_asked(item)]

        def work(number: int) -> tuple[int, Item]:
            return number, self._judge_one(shown[number], benchmark, find_image)

        for number, item in in_threads(work, jobs, threads=self._threads):
            done[number] = item
            if on_item is not None:
                on_item(item)
        return [done[number] for number in range(len(shown))]

    def _judge_one(self, item: Item, benchmark: Benchmark, find_image: ImageFinder | None) -> Item:
        sees = self.sees_images and benchmark.judge_sees_pictures
        pictures = pictures_of(item, find_image) if sees else None
        asked = benchmark.judge_questions(item, pictures)
        if sees and pictures is None:
            replies = [JudgeReply(question.prompt, None, NO_IMAGE) for question in asked]
        else:
            replies = [self._reply(question) for question in asked]
        return with_judgements(benchmark, item, self.name, replies)

    def _reply(self, question: JudgeQuestion) -> JudgeReply:
        try:
            return JudgeReply(question.prompt, self.ask(question))
        except JudgeError as error:
            return JudgeReply(question.prompt, None, str(error))
