"""Runs many az commands in one process: each start of az costs seconds.

Reads one JSON list of words per line and answers one JSON object per line, with exit code, stdout
and stderr. The commands are az's own, run by its own entry point (azure.cli.core), not by a copy.
"""
import io
import json
import logging
import sys

answers = sys.stdout
said = io.StringIO()
sys.stderr = said

from azure.cli.core import get_default_cli  # noqa: E402


def run(words):
    """A new command line for each command, as a new process would have."""
    said.seek(0)
    said.truncate()
    out = io.StringIO()
    sys.stdout = out
    for handler in list(logging.getLogger("cli").handlers):
        logging.getLogger("cli").removeHandler(handler)
    try:
        code = get_default_cli().invoke(words, out_file=out)
    except SystemExit as thrown:
        code = thrown.code
    except BaseException as thrown:  # what az itself would die of
        print(f"{type(thrown).__name__}: {thrown}", file=said)
        code = 1
    finally:
        sys.stdout = answers
    return {"code": code or 0, "stdout": out.getvalue(), "stderr": said.getvalue()}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), file=answers, flush=True)
