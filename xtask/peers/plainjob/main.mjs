// plainjob's queue: a job is added, taken and marked as done, as its worker does it.
// What is said and heard is in the README beside this folder.

import Database from "better-sqlite3";
import { better, defineQueue } from "plainjob";
import { createInterface } from "node:readline";

const PAYLOAD = { deck: "MgO bulk, a geometry of CRYSTAL\n".repeat(40).slice(0, 1000) };

let locked = 0;

function untilNotLocked(call) {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!String(error.code).startsWith("SQLITE_BUSY")) throw error;
      locked += 1;
    }
  }
}

async function run() {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const task = JSON.parse((await lines.next()).value);
  const database = new Database(task.database, { timeout: 5000 });
  const connection = better(database);
  const queue = untilNotLocked(() => defineQueue({ connection, logger: quiet }));
  // The queue has set it to NORMAL.
  database.pragma(`synchronous = ${{ normal: 1, full: 2 }[task.durability]}`);
  console.log("ready");
  if ((await lines.next()).value !== "go") return;

  const begun = performance.now();
  const end = begun + task.until.seconds * 1000;
  let operations = 0;
  while (performance.now() < end) {
    untilNotLocked(() => queue.add("calculate", PAYLOAD));
    let taken;
    // It gives none where another process took the one that it had found; its worker asks again too.
    while (taken === undefined) {
      taken = untilNotLocked(() => queue.getAndMarkJobAsProcessing("calculate"));
    }
    const job = queue.getJobById(taken.id);
    if (JSON.parse(job.data).deck.length !== 1000) throw new Error("the job is another one");
    untilNotLocked(() => queue.markJobAsDone(taken.id));
    operations += 1;
  }
  const seconds = (performance.now() - begun) / 1000;
  const synchronous = database.pragma("synchronous", { simple: true });
  console.log(JSON.stringify({ operations, seconds, locked, synchronous }));
}

const quiet = { error: console.error, warn() {}, info() {}, debug() {} };

if (process.argv[2] !== "--check") {
  await run();
}
process.exit(0);
