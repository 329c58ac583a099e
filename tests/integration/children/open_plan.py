"""Open a job by one of several plans, the one of this process's number, and print the id of that file's job.

argv: the name of the file, the plans in JSON, the number.
"""

from __future__ import annotations

import json
import sys

from checkpoint_store import CheckpointStore, PlanChanged

file_name, plans, number = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
with CheckpointStore("talks.db") as store:
    try:
        print(store.open_job(file_name, **plans[number % len(plans)]).job_id)
    except PlanChanged as refused:
        print(refused.job_id)
