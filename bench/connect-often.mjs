/**
 * Connects again and again until the answer has changed for good; prints `start-in-ms open|shut`
 * for each try. Args: address, port.
 */
import { connect } from "node:net";

const [address, port] = [process.argv[2], Number(process.argv[3])];
const SPACING_MS = 2;
const SHUT_AFTER_MS = 400;
/** So many tries in a row that end otherwise than the first one. */
const FOR_GOOD = 50;
const LONGEST_MS = 20_000;
const lines = [];
let first;
let otherwise = 0;

setInterval(() => {
  const start = performance.timeOrigin + performance.now();
  const socket = connect({ host: address, port });
  const tell = (state) => {
    clearTimeout(patience);
    socket.destroy();
    lines.push(`${start.toFixed(2)} ${state}`);
    first ??= state;
    otherwise = state === first ? 0 : otherwise + 1;
    if (otherwise === FOR_GOOD) end();
  };
  const patience = setTimeout(tell, SHUT_AFTER_MS, "shut");
  socket.once("connect", () => tell("open"));
  socket.on("error", () => {});
}, SPACING_MS);
setTimeout(end, LONGEST_MS);

function end() {
  process.stdout.write(`${lines.join("\n")}\n`, () => process.exit(0));
}
