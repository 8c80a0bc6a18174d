"""honker's queue: a job is enqueued, claimed and acknowledged, one transaction each."""

import os

import honker

from protocol import PAYLOAD, peer, until_not_locked


def open_queue(database, synchronous):
    db = honker.open(database)

    def pragma(sql):
        with db.transaction() as transaction:
            return transaction.query(sql)

    # It is set outside of transactions alone, and its own default is NORMAL.
    if synchronous != 1:
        raise SystemExit("honker has no other setting than NORMAL")
    queue, _ = until_not_locked(lambda: db.queue("peer"))
    worker = f"worker-{os.getpid()}"

    def operation():
        _, first = until_not_locked(lambda: queue.enqueue(PAYLOAD))
        job, second = until_not_locked(lambda: queue.claim_one(worker))
        if job is None:
            raise SystemExit("honker gave no job back")
        acknowledged, third = until_not_locked(job.ack)
        if not acknowledged:
            raise SystemExit("honker took the job away")
        return first + second + third

    def read_back():
        return next(iter(pragma("pragma synchronous")[0].values()))

    return operation, read_back


peer(open_queue)
