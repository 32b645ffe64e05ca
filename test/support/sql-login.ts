/** Logs in at a SQL server and stays, saying so: `HOST [seconds] [own address]`. A program for `ase exec`. */
import { connect } from "node:net";

import { tdsOver } from "../../src/services/tds-client.ts";

const [host = "", seconds = "0", localAddress] = process.argv.slice(2);
const BETWEEN_MS = 100;

const socket = connect({
  host,
  port: 1433,
  ...(localAddress === undefined ? {} : { localAddress }),
});
socket.setTimeout(1_500, () => socket.destroy(new Error("silence")));
socket.on("error", (error) => end(error.message));
const session = tdsOver(socket);
try {
  await session.login({ user: "sa", host: "test", server: host, database: "" });
  process.stdout.write("in\n");
  for (let left = (Number(seconds) * 1_000) / BETWEEN_MS; left > 0; left -= 1) {
    await session.batch("SELECT 1");
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
  }
  end("");
} catch (error) {
  end(error instanceof Error ? error.message : String(error));
}

function end(words: string): never {
  process.stdout.write(words);
  process.exit(0);
}
