/**
 * What the command line asks beyond ARM: events, logs, operations, the world, and commands that run
 * at a place of it. JSON, and newline-delimited JSON for what flows.
 */
import { type Context, Hono } from "hono";

import { isJsonArray, type JsonObject, property } from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { bodyOfProblem } from "../control/error-body.ts";
import type { ControlEvent, ControlPlane, RunRequest } from "../control/control-plane.ts";
import { answer, page, refuse, sent } from "./answer.ts";
import { effectiveGroups } from "./host-cards.ts";
import { bodyOf, query, wordAt } from "./request.ts";

const LONGEST_WAIT_S = 60;
const MOST_EVENTS = 1_000;
const MOST_LINES = 10_000;
const USUAL_LINES = 100;

export function ownRoutes(plane: ControlPlane, version: string): Hono {
  const routes = new Hono();
  routes.get("/version", (context) => sent(context, { version, ...plane.account }));
  routes.get("/events", (context) => events(context, plane));
  routes.get("/logs", (context) => logs(context, plane));
  routes.get("/world", async (context) =>
    answer(context, await plane.world.look(), (view) => context.json(view)),
  );
  routes.get("/operations", (context) => context.json({ value: plane.world.operations() }));
  routes.post("/operations/:id/cancel", async (context) => {
    const canceled = await plane.world.cancel(context.req.param("id"));
    return answer(context, canceled, () => context.json({ status: "Canceled" }));
  });
  routes.get("/routes", (context) =>
    answer(context, plane.world.routesAt(query(context, "at") ?? ""), (value) =>
      context.json({ value }),
    ),
  );
  for (const [word, to] of [
    ["stop", "down"],
    ["start", "up"],
  ] as const)
    routes.post(`/endpoints/:name/${word}`, async (context) => {
      const turned = await plane.world.turnEndpoint(context.req.param("name"), to);
      return answer(context, turned, () => context.json({ state: to }));
    });
  routes.get("/rules", (context) => rulesAt(context, plane));
  routes.get("/flows", (context) => context.json({ value: plane.world.flows() }));
  routes.get("/flows/lines", async (context) => {
    const after = countOf(context, "after", { usual: 0, most: Number.MAX_SAFE_INTEGER });
    if (!after.ok) return refuse(context, after.problem);
    return answer(context, await plane.world.flowLines(after.value), (told) => context.json(told));
  });
  routes.post("/trace", (context) => trace(context, plane));
  routes.post("/capture", (context) => capture(context, plane));
  routes.post("/exec", (context) => execute(context, plane));
  return routes;
}

async function events(context: Context, plane: ControlPlane): Promise<Response> {
  const after = countOf(context, "after", { usual: 0, most: Number.MAX_SAFE_INTEGER });
  const wait = countOf(context, "wait", { usual: 0, most: LONGEST_WAIT_S });
  const limit = countOf(context, "limit", { usual: MOST_EVENTS, most: MOST_EVENTS });
  if (!after.ok) return refuse(context, after.problem);
  if (!wait.ok) return refuse(context, wait.problem);
  if (!limit.ok) return refuse(context, limit.problem);
  if (0 < wait.value)
    await plane.events.waitAfter(after.value, wait.value * 1000, context.req.raw.signal);
  const listed = plane.events.after<ControlEvent>(after.value, limit.value);
  return context.json({
    events: listed.map(({ sequence, time, value }) => ({ sequence, time, ...value })),
    newest: plane.events.newest(),
  });
}

async function logs(context: Context, plane: ControlPlane): Promise<Response> {
  const lines = countOf(context, "lines", { usual: USUAL_LINES, most: MOST_LINES });
  if (!lines.ok) return refuse(context, lines.problem);
  const text = (name: string) => {
    const value = query(context, name);
    return value === undefined || value === "" ? {} : { [name]: value };
  };
  const listed = await plane.world.logs({
    lines: lines.value,
    ...text("host"),
    ...text("program"),
    ...text("site"),
    ...text("environment"),
  });
  return answer(context, listed, (value) => context.json({ value }));
}

async function capture(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const [at, filter] = [wordAt(body.value, "at"), wordAt(body.value, "filter")];
  const seconds = Number(wordAt(body.value, "seconds"));
  const captured = await plane.world.capture(at, {
    seconds,
    ...(filter === "" ? {} : { filter }),
  });
  return answer(context, captured, ({ pcap, said }) =>
    context.json({ pcap: pcap.toString("base64"), said }),
  );
}

function rulesAt(context: Context, plane: ControlPlane): Response {
  const at = (query(context, "at") ?? "").toLowerCase();
  const blueprint = plane.world.blueprint();
  const host = blueprint?.hosts.find(({ name }) => name === at);
  if (blueprint === undefined || host?.place.kind !== "subnet")
    return refuse(context, {
      code: "NoRulesThere",
      what: `"${at}" is no host of a subnet, and no group guards it`,
      fix: "Name a host of a subnet; `ase hosts` lists them.",
      where: at,
    });
  return page(context, effectiveGroups(blueprint, host, plane));
}

async function trace(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const packet = property(body.value, "packet");
  if (typeof packet !== "string")
    return refuse(
      context,
      invalid('"packet" is not a text', 'Write "tcp demo-worker-0 -> 10.1.1.4:443".'),
    );
  return answer(context, await plane.world.trace(packet), (view) => context.json(view));
}

async function execute(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const request = readRequest(body.value);
  if (!request.ok) return refuse(context, request.problem);
  const encoder = new TextEncoder();
  let kill = (): void => undefined;
  // What a command says before its stream is read is kept until it is.
  const waiting: Uint8Array[] = [];
  let send = (line: object): void => void waiting.push(encoder.encode(`${JSON.stringify(line)}\n`));
  const running = await plane.world.run({
    ...request.value,
    onOutput: (stream, chunk) => send({ stream, chunk }),
  });
  if (!running.ok) return refuse(context, running.problem);
  kill = running.value.kill;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const line of waiting.splice(0)) controller.enqueue(line);
      let open = true;
      send = (line) => {
        if (open) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      const end = (line: object): void => {
        send(line);
        if (open) controller.close();
        open = false;
      };
      kill = () => {
        open = false;
        running.value.kill();
      };
      running.value.ended.then(
        ({ exitCode }) => end({ exitCode }),
        (thrown: unknown) => end({ error: bodyOfProblem(broken(thrown)) }),
      );
    },
    cancel: () => kill(),
  });
  return context.body(stream, 200, { "Content-Type": "application/x-ndjson" });
}

function broken(thrown: unknown): Problem {
  return {
    code: "CommandLost",
    what: `the command was lost: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    fix: "Try again.",
  };
}

function readRequest(body: JsonObject): Result<Omit<RunRequest, "onOutput">> {
  const at = property(body, "at");
  const argv = property(body, "argv");
  const input = property(body, "input");
  if (typeof at !== "string" || at === "")
    return declined(
      invalid(
        '"at" names no place',
        "Write internet, vnet/NAME, onprem/NAME or the name of a host.",
      ),
    );
  if (!isJsonArray(argv) || argv.length === 0 || !argv.every((word) => typeof word === "string"))
    return declined(invalid('"argv" is not a list of texts', 'Write ["curl", "http://..."].'));
  if (input !== undefined && typeof input !== "string")
    return declined(invalid('"input" is not a text', "Leave it out, or give a text."));
  return found({ at, argv, ...(input === undefined ? {} : { input }) });
}

function countOf(
  context: Context,
  name: string,
  { usual, most }: { readonly usual: number; readonly most: number },
): Result<number> {
  const text = query(context, name);
  if (text === undefined || text === "") return found(usual);
  if (/^\d{1,15}$/.test(text)) return found(Math.min(Number(text), most));
  return declined(
    invalid(`${name} is "${text}", not a count`, `Write a number, for example ${name}=10.`),
  );
}

function invalid(what: string, fix: string): Problem {
  return { code: "InvalidRequest", what, fix };
}
