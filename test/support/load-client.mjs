/**
 * Clients that ask an app without pause, for tests: kept connections, kept ones that are idle for a
 * while between requests, and a new connection for each request.
 *
 *     node load-client.mjs ADDRESS HOST
 *
 * Says every 200 ms, on one line, how many requests were answered with 200 and which were not.
 */
import { Agent, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

const [address = "", host = ""] = process.argv.slice(2);
const KINDS = [
  { kind: "kept", count: 5, pauseMs: 4 },
  { kind: "idle", count: 3, pauseMs: 700 },
  { kind: "new", count: 3, pauseMs: 4 },
];
const seen = { kept: 0, idle: 0, new: 0, failed: [] };

function ask(agent) {
  return new Promise((resolve) => {
    const call = request({ host: address, path: "/", agent, headers: { host } }, (response) => {
      response.resume();
      response.on("end", () => resolve(String(response.statusCode)));
      response.on("error", (error) => resolve(String(error)));
    });
    call.setTimeout(5_000, () => call.destroy(new Error("no answer in 5 s")));
    call.on("error", (error) => resolve(String(error)));
    call.end();
  });
}

for (const { kind, count, pauseMs } of KINDS)
  for (let index = 0; index < count; index += 1)
    void (async () => {
      const agent = kind === "new" ? false : new Agent({ keepAlive: true, maxSockets: 1 });
      for (;;) {
        const answer = await ask(agent);
        if (answer === "200") seen[kind] += 1;
        else seen.failed.push(`${new Date().toISOString()} ${kind}: ${answer}`);
        await pause(pauseMs);
      }
    })();

setInterval(() => process.stdout.write(`${JSON.stringify(seen)}\n`), 200);
