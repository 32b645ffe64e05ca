/**
 * Every command, loaded when it is called: one that needs no server does not wait for the code of
 * those that do.
 */
export const act = later(async () => (await import("./commands/act.ts")).act);
export const addresses = later(async () => (await import("./commands/addresses.ts")).addresses);
export const az = later(async () => (await import("./commands/az.ts")).az);
export const cancelOperation = later(
  async () => (await import("./commands/operations.ts")).cancelOperation,
);
export const capture = later(async () => (await import("./commands/capture.ts")).capture);
export const checkFiles = later(async () => (await import("./commands/check.ts")).checkFiles);
export const deployApp = later(async () => (await import("./commands/act.ts")).deployApp);
export const diffNetworks = later(async () => (await import("./commands/diff.ts")).diffNetworks);
export const down = later(async () => (await import("./commands/act.ts")).down);
export const events = later(async () => (await import("./commands/events.ts")).events);
export const exec = later(async () => (await import("./commands/act.ts")).exec);
export const explainPacket = later(
  async () => (await import("./commands/explain.ts")).explainPacket,
);
export const flows = later(async () => (await import("./commands/flows.ts")).flows);
export const hosts = later(async () => (await import("./commands/listings.ts")).hosts);
export const listApps = later(async () => (await import("./commands/listings.ts")).listApps);
export const logs = later(async () => (await import("./commands/act.ts")).logs);
export const operations = later(async () => (await import("./commands/operations.ts")).operations);
export const rest = later(async () => (await import("./commands/act.ts")).rest);
export const routes = later(async () => (await import("./commands/routes.ts")).routes);
export const rules = later(async () => (await import("./commands/rules.ts")).rules);
export const status = later(async () => (await import("./commands/listings.ts")).status);
export const trace = later(async () => (await import("./commands/trace.ts")).trace);
export const turnEndpoint = later(async () => (await import("./commands/act.ts")).turnEndpoint);
export const up = later(async () => (await import("./commands/up.ts")).up);

function later<Words extends readonly unknown[], Value>(
  load: () => Promise<(...words: Words) => Promise<Value>>,
): (...words: Words) => Promise<Value> {
  return async (...words) => await (await load())(...words);
}
