"""Runs dbt for the tests, in one process: starting Python takes dbt longer than building a small project.

Each line of stdin is a list of arguments, in JSON; each line of stdout says how it went: {"success": …, "said": …}.
"""

import json
import os
import sys

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what dbt prints

from dbt.cli.main import dbtRunner  # noqa: E402

for line in sys.stdin:
    said = []
    runner = dbtRunner(callbacks=[lambda event: said.append(event.info.msg) if event.info.level != "debug" else None])
    result = runner.invoke(["--log-level", "none", "--log-level-file", "none", "--no-use-colors", *json.loads(line)])
    if result.exception:
        said.append(str(result.exception))
    print(json.dumps({"success": result.success, "said": "\n".join(said)}), file=answers, flush=True)
