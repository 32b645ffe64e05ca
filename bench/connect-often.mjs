/** Connects again and again; prints `start-in-ms open|shut` for each try. Args: address, port, for how many ms. */
import { connect } from "node:net";

const [address, port, forMs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const SPACING_MS = 2;
const SHUT_AFTER_MS = 400;
const lines = [];
const begun = Date.now();

const trying = setInterval(() => {
  const start = performance.timeOrigin + performance.now();
  const socket = connect({ host: address, port });
  const tell = (state) => {
    clearTimeout(patience);
    socket.destroy();
    lines.push(`${start.toFixed(2)} ${state}`);
  };
  const patience = setTimeout(tell, SHUT_AFTER_MS, "shut");
  socket.once("connect", () => tell("open"));
  socket.on("error", () => {});
  if (Date.now() - begun < forMs) return;
  clearInterval(trying);
  setTimeout(() => {
    console.log(lines.join("\n"));
    process.exit(0);
  }, SHUT_AFTER_MS + 100);
}, SPACING_MS);
