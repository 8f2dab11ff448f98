"""A language model as judge of open answers, behind a command of the user's.

The protocol is Video-ChatGPT's, as Flash-VStream (``eval_activitynet_qa.py``) and ReKV (``eval_open_ended.py``) use it:
the judge says yes or no, and gives 0 to 5. Which model it is changes the figures: ReKV asked ``gpt-3.5-turbo-0613``.
"""

import ast
import json
import shlex
import shutil
import subprocess

from hermes_ray.bench.public.datasets.dataset import Item
from hermes_ray.errors import ConfigError, DatasetError

_BEST = 5
# The published prompts, word for word.
_SYSTEM = (
    "You are an intelligent chatbot designed for evaluating the correctness of generative outputs for question-answer "
    "pairs. Your task is to compare the predicted answer with the correct answer and determine if they match "
    "meaningfully. Here's how you can accomplish the task:------##INSTRUCTIONS: - Focus on the meaningful match "
    "between the predicted answer and the correct answer.\n"
    "- Consider synonyms or paraphrases as valid matches.\n"
    "- Evaluate the correctness of the prediction compared to the answer."
)
_USER = (
    "Please evaluate the following video-based question-answer pair:\n\n"
    "Question: {question}\n"
    "Correct Answer: {answer}\n"
    "Predicted Answer: {response}\n\n"
    "Provide your evaluation only as a yes/no and score where the score is an integer value between 0 and 5, with 5 "
    "indicating the highest meaningful match. Please generate the response in the form of a Python dictionary string "
    "with keys 'pred' and 'score', where value of 'pred' is  a string of 'yes' or 'no' and value of 'score' is in "
    "INTEGER, not STRING.DO NOT PROVIDE ANY OTHER OUTPUT TEXT OR EXPLANATION. Only provide the Python dictionary "
    "string. For example, your response should look like this: {{'pred': 'yes', 'score': 4.8}}."
)


class Judge:
    """A command that gets ``{"messages": [...]}``, the form of chat completions, on stdin and prints the reply.

    Args:
        command: with its arguments, as in a shell; no shell is started.

    Raises:
        ConfigError: there is no such command.
    """

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise ConfigError(f"--judge: cannot read {command!r}: {error}") from error
        if not self._command or shutil.which(self._command[0]) is None:
            raise ConfigError(f"--judge: there is no command {command!r} here")

    def verdict(self, item: Item, response: str) -> tuple[bool, int]:
        """Whether a response is right, and its score.

        Raises:
            DatasetError: the command failed, or its reply is not of the published form.
        """
        user = _USER.format(question=item.question, answer=item.answer, response=response)
        messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": user}]
        run = subprocess.run(
            self._command, input=json.dumps({"messages": messages}), capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            said = (run.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            raise DatasetError(f"the judge {self._command[0]} exited with {run.returncode} at item {item.key}: {said}")
        return _understood(run.stdout.strip(), item.key)


def _understood(reply: str, key: str) -> tuple[bool, int]:
    try:
        verdict = ast.literal_eval(reply)
        said, score = str(verdict["pred"]).lower(), int(verdict["score"])
    except (ValueError, SyntaxError, TypeError, KeyError) as error:
        raise _unclear(reply, key) from error
    if ("yes" in said) == ("no" in said) or not 0 <= score <= _BEST:
        raise _unclear(reply, key)
    return "yes" in said, score


def _unclear(reply: str, key: str) -> DatasetError:
    return DatasetError(
        f"the judge's reply to item {key} is not of the form {{'pred': 'yes', 'score': 4}}: {reply[:100]!r}; with "
        "--resume the same command goes on from here"
    )
