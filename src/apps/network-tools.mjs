/**
 * The console's network tools: `nameresolver` and `tcpping` see what the app sees, `nslookup` asks
 * the platform's resolver. Runs beside apps on the Node there is; no types, nothing imported of ours.
 *
 *   nameresolver NAME [SERVER]      tcpping HOST[:PORT] [-n COUNT] [-w SECONDS]
 *   nslookup NAME [SERVER]
 *
 * The first two end lines as the tools they stand for do, with CR LF; clients read them so.
 *
 * @article Customer DNS
 */
import { lookup, Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { connect, isIP } from "node:net";

const PLATFORM = "168.63.129.16";
const MOST_ALIASES = 8;

function say(line, ending = "\r\n") {
  process.stdout.write(`${line}${ending}`);
}

function usage(text) {
  process.stderr.write(`usage: ${text}\n`);
  return 2;
}

async function nameresolver([name, server, ...more]) {
  if (name === undefined || more.length > 0) return usage("nameresolver NAME [SERVER]");
  const found = await resolve(name, server);
  say(`Server: ${server ?? serverOfApp()}`);
  say("");
  if (found.problem !== undefined) {
    say(`*** ${name}: ${found.problem}`);
    return 1;
  }
  say("Non-authoritative answer:");
  say(`Name: ${found.canonical}`);
  say("Addresses: ");
  for (const address of found.addresses) say(`\t${address}`);
  if (found.aliases.length > 0) say("Aliases: ");
  for (const alias of found.aliases) say(`\t${alias}`);
  return 0;
}

async function nslookup([name, server = PLATFORM, ...more]) {
  if (name === undefined || more.length > 0) return usage("nslookup NAME [SERVER]");
  const found = await resolve(name, server);
  const line = (text) => say(text, "\n");
  line(`Server:\t\t${server}`);
  line(`Address:\t${server}#53`);
  line("");
  if (found.problem !== undefined) {
    const code = found.code === "ENOTFOUND" ? "NXDOMAIN" : found.problem;
    line(`** server can't find ${name}: ${code}`);
    return 1;
  }
  line("Non-authoritative answer:");
  for (const [index, alias] of found.aliases.entries())
    line(`${alias}\tcanonical name = ${found.aliases[index + 1] ?? found.canonical}.`);
  for (const address of found.addresses) {
    line(`Name:\t${found.canonical}`);
    line(`Address: ${address}`);
  }
  return 0;
}

/** Aliases are followed by hand, to be shown. Without a server, the app's resolver is asked. */
async function resolve(name, server) {
  const resolver = new Resolver({ timeout: 10_000, tries: 1 });
  try {
    if (server !== undefined) resolver.setServers([server]);
  } catch {
    return { problem: `${server} is not the address of a server` };
  }
  const aliases = [];
  let canonical = name.replace(/\.$/, "");
  for (; aliases.length < MOST_ALIASES;) {
    const [target] = await resolver.resolveCname(canonical).catch(() => []);
    if (target === undefined) break;
    aliases.push(canonical);
    canonical = target;
  }
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(canonical),
    resolver.resolve6(canonical),
  ]);
  const addresses = [four, six].flatMap(({ value }) => value ?? []);
  if (addresses.length > 0) return { canonical, aliases, addresses };
  const code = four.reason?.code;
  return { code, problem: WORDS[code] ?? `the lookup failed (${code})` };
}

const WORDS = {
  ENOTFOUND: "No such host is known",
  ENODATA: "No address is known for this host",
  ETIMEOUT: "the server does not answer",
  ECONNREFUSED: "the server does not answer",
  ESERVFAIL: "the server failed",
};

/** Behind a resolver on loopback stand the servers that the comment of its file names. */
function serverOfApp() {
  const text = readFileSync("/etc/resolv.conf", "utf8");
  const behind = /^# asks in turn: (\S+?),?(?:\s|$)/m.exec(text);
  return (behind ?? /^nameserver (\S+)/m.exec(text))?.[1] ?? PLATFORM;
}

async function tcpping(words) {
  const wish = { count: 4, seconds: 10 };
  const rest = [];
  for (let at = 0; at < words.length; at += 1) {
    const flag = { "-n": "count", "-w": "seconds" }[words[at]];
    if (flag === undefined) rest.push(words[at]);
    else wish[flag] = Number(words[(at += 1)]);
  }
  const [, host, port = "80"] = /^([^:]+)(?::(\d+))?$/.exec(rest[0] ?? "") ?? [];
  const isGood = rest.length === 1 && host !== undefined && Number(port) < 65_536;
  const isCount = (value) => Number.isInteger(value) && 0 < value && value <= 1_000;
  if (!isGood || !isCount(wish.count) || !isCount(wish.seconds))
    return usage("tcpping HOST[:PORT] [-n COUNT] [-w SECONDS]");
  const times = [];
  for (let tried = 0; tried < wish.count; tried += 1) {
    const { problem, elapsedMs } = await ping(host, Number(port), wish.seconds * 1_000);
    if (problem === undefined) times.push(elapsedMs);
    const took = elapsedMs < 1 ? "<1ms" : `${Math.round(elapsedMs)}ms`;
    say(
      problem === undefined
        ? `Connected to ${host}:${port}, time taken: ${took}`
        : `Connection attempt failed: ${problem}`,
    );
  }
  const share = Math.round((100 * times.length) / wish.count);
  const mean = times.length === 0 ? 0 : times.reduce((a, b) => a + b, 0) / times.length;
  const average = Number(mean.toFixed(2));
  say(
    `Complete: ${times.length}/${wish.count} successful attempts (${share}%). Average success time: ${average}ms`,
  );
  return times.length === 0 ? 1 : 0;
}

async function ping(host, port, timeoutMs) {
  const address = isIP(host) ? { address: host } : await lookup(host).catch((error) => ({ error }));
  if (address.error !== undefined) return { problem: wordsOf(address.error.code), elapsedMs: 0 };
  const begun = performance.now();
  return new Promise((done) => {
    const socket = connect({ host: address.address, port, timeout: timeoutMs });
    const end = (problem) => {
      socket.destroy();
      done({ problem, elapsedMs: performance.now() - begun });
    };
    socket.once("connect", () => end(undefined));
    socket.once("timeout", () => end(wordsOf("ETIMEDOUT")));
    socket.once("error", ({ code }) => end(wordsOf(code)));
  });
}

/** The words that portals of this service look for. */
function wordsOf(code) {
  switch (code) {
    case "ENOTFOUND":
      return "No such host is known";
    case "EAI_AGAIN":
      return "A non-recoverable error occurred during a database lookup";
    case "ETIMEDOUT":
      return "Connection timed out";
    case "ECONNREFUSED":
      return "No connection could be made because the target machine actively refused it";
    case "EACCES":
    case "EPERM":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "An attempt was made to access a socket in a way forbidden by its access permissions";
    default:
      return code;
  }
}

const [tool, ...words] = process.argv.slice(2);
process.exitCode = await { nameresolver, tcpping, nslookup }[tool](words);
