/**
 * Writes to a store without end and says after each transaction how many it has written.
 * Made to be killed by the test of sqlite-store.ts.
 */
import { writeSync } from "node:fs";

import { found } from "../../src/base/problem.ts";
import { openSqliteStore } from "../../src/store/sqlite-store.ts";

const store = openSqliteStore({ file: process.argv[2] ?? "", now: Date.now });
if (!store.ok) throw new Error(store.problem.what);
const first = store.value.list("write", "").length + 1;
for (let count = first; ; count += 1) {
  const written = store.value.transaction((transaction) => {
    transaction.put("write", String(count), { text: "x".repeat(500) });
    transaction.put("twin", String(count), count);
    transaction.append(count);
    return found(count);
  });
  if (!written.ok) throw new Error(written.problem.what);
  writeSync(1, `${count}\n`);
}
