"""huey's SQLite storage: a task is enqueued, taken and executed, as its consumer does it."""

import logging

from huey import SqliteHuey

from protocol import PAYLOAD, peer, until_not_locked

logging.disable(logging.CRITICAL)


def open_queue(database, synchronous):
    huey = SqliteHuey("peer", filename=database, timeout=5)
    connection = huey.storage.conn
    connection.execute(f"pragma synchronous = {synchronous}")

    @huey.task()
    def calculate(payload):
        return len(payload["deck"])

    def operation():
        _, first = until_not_locked(lambda: calculate(PAYLOAD))
        task, second = until_not_locked(huey.dequeue)
        if task is None:
            raise SystemExit("huey gave no task back")
        # It stores the result, which is what completes a task.
        _, third = until_not_locked(lambda: huey.execute(task))
        return first + second + third

    def read_back():
        return connection.execute("pragma synchronous").fetchone()[0]

    return operation, read_back


peer(open_queue)
