"""What a peer and the benchmark say to each other; see the README beside this folder."""

import json
import sqlite3
import sys
import time

PAYLOAD = {"deck": ("MgO bulk, a geometry of CRYSTAL\n" * 40)[:1000]}


def peer(open_queue):
    """Runs a peer. `open_queue` takes a database and `synchronous`, and gives a function that does one
    operation and one that reads `synchronous` back."""
    if sys.argv[1:] == ["--check"]:
        return
    task = json.loads(sys.stdin.readline())
    synchronous = {"normal": 1, "full": 2}[task["durability"]]
    operation, read_back = open_queue(task["database"], synchronous)
    print("ready", flush=True)
    if sys.stdin.readline().strip() != "go":
        return
    begun = time.perf_counter()
    end = begun + task["until"]["seconds"]
    operations = locked = 0
    while time.perf_counter() < end:
        locked += operation()
        operations += 1
    seconds = time.perf_counter() - begun
    told = {
        "operations": operations,
        "seconds": seconds,
        "locked": locked,
        "synchronous": read_back(),
    }
    print(json.dumps(told), flush=True)


def until_not_locked(call):
    """Makes a call until no lock refuses it; its value, and how often one did."""
    locked = 0
    while True:
        try:
            return call(), locked
        except (sqlite3.OperationalError, RuntimeError) as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
            locked += 1
