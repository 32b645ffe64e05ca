/**
 * An app that says what it sees of its surroundings: its user, its settings, files, addresses it
 * reaches. It does what a hostile app would try; the tests expect that it fails.
 */
const { createServer } = require("node:http");
const { connect } = require("node:net");
const { readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { execFile } = require("node:child_process");

const INSTANCE = process.env.COMPUTERNAME;
const STARTED = `${process.pid} ${Date.now()}`;

// Where a test says so, instances of that name fail to start.
if (process.env.FAIL_ON && INSTANCE.endsWith(process.env.FAIL_ON)) {
  process.stderr.write(`${INSTANCE} cannot run here\n`);
  process.exit(3);
}

const ANSWERS = {
  "/": (_, socket) => ({ frontEnd: socket.remoteAddress.replace("::ffff:", "") }),
  "/who": () => ({
    uid: process.getuid(),
    gid: process.getgid(),
    groups: process.getgroups(),
    capabilities: capabilities(),
  }),
  "/settings": () => process.env,
  "/read": ({ path }) => readFileSync(path, "utf8").slice(0, 10_000),
  "/list": ({ path }) => readdirSync(path),
  "/write": ({ path, text }) => (writeFileSync(path, text), "written"),
  "/call": ({ host, port }) => call(host, Number(port)),
  "/run": ({ command }) => run(command),
  "/slowly": ({ ms }) => new Promise((done) => setTimeout(() => done("slowly"), Number(ms))),
  "/say": ({ text }) => (process.stdout.write(`${text}\n`), "said"),
  "/crash": () => (setTimeout(() => process.exit(1), 20), { instance: INSTANCE, started: STARTED }),
};

createServer(async (request, response) => {
  const url = new URL(request.url, "http://app");
  const answer = ANSWERS[url.pathname];
  response.setHeader("content-type", "application/json");
  try {
    if (answer === undefined) throw new Error(`nothing at ${url.pathname}`);
    const value = await answer(Object.fromEntries(url.searchParams), request.socket);
    response.end(JSON.stringify({ value, instance: INSTANCE, started: STARTED }));
  } catch (error) {
    response.end(JSON.stringify({ error: error.code ?? String(error), instance: INSTANCE }));
  }
}).listen(process.env.PORT, () => process.stdout.write(`${INSTANCE} listens\n`));

function capabilities() {
  return /^CapEff:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))[1];
}

/** What the other side says, or the error of the connection. */
function call(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = "";
    socket.setTimeout(1_500, () =>
      socket.destroy(Object.assign(new Error("timeout"), { code: "TIMEOUT" })),
    );
    socket.on("data", (chunk) => (text += chunk));
    socket.on("error", reject);
    socket.on("end", () => resolve(text));
  });
}

function run(command) {
  return new Promise((resolve) => {
    execFile("/bin/sh", ["-c", command], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}
