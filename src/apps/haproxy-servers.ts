/**
 * Instances that come and go while HAProxy runs: told to its workers, without a new configuration.
 *
 * Whatever worker still serves a client is told, so that a connection that outlives a reload is
 * led to instances that stand. An instance that goes gets nothing new, and may go when no request
 * of it is under way. What is in the files is front-end.ts.
 */
import type { FrontEnd } from "../blueprint/blueprint.ts";
import { backendOf, SERVER_WORDS } from "./front-end-config.ts";
import { askMaster, processesOf } from "./haproxy-master.ts";

type Backend = FrontEnd["sites"][number]["backends"][number];

/** Of one site: instances that are new, and instances that are led to no more. */
export type ServerChange = {
  readonly site: string;
  readonly come: readonly Backend[];
  readonly go: readonly Backend[];
};

export function serverChanges(before: FrontEnd, after: FrontEnd): readonly ServerChange[] {
  const has = (list: readonly Backend[], one: Backend) =>
    list.some(({ name }) => name === one.name);
  const names = new Set([...before.sites, ...after.sites].map(({ name }) => name));
  return [...names]
    .map((site): ServerChange => {
      const [old, now] = [serversOf(before, site), serversOf(after, site)];
      return {
        site,
        come: now.filter((one) => !has(old, one)),
        go: old.filter((one) => !has(now, one)),
      };
    })
    .filter(({ come, go }) => 0 < come.length + go.length);
}

function serversOf({ sites }: FrontEnd, name: string): readonly Backend[] {
  const site = sites.find((one) => one.name === name);
  // A stopped site has no servers in the configuration.
  return site?.running === true ? site.backends : [];
}

/** Nothing differs but which instances there are: no new configuration is needed. */
export function onlyServersChange(before: FrontEnd, after: FrontEnd): boolean {
  const besides = (of: FrontEnd) =>
    JSON.stringify({ ...of, sites: of.sites.map((site) => ({ ...site, backends: [] })) });
  if (besides(before) !== besides(after)) return false;
  return after.sites.every(({ name }) => {
    const old = new Map(serversOf(before, name).map((one) => [one.name, one]));
    return serversOf(after, name).every((one) => {
      const known = old.get(one.name);
      return known === undefined || (known.address === one.address && known.port === one.port);
    });
  });
}

/** True when every worker that takes connections has taken the change over. */
export async function changeServers(
  master: string,
  changes: readonly ServerChange[],
): Promise<boolean> {
  const { current, old } = await processesOf(master);
  const commands = changes.flatMap(({ site, come, go }) => [
    ...come.flatMap((one) => added(`${backendOf(site)}/${one.name}`, one)),
    ...go.map(({ name }) => `set server ${backendOf(site)}/${name} state maint`),
  ]);
  const told = await Promise.all(current.map((pid) => tell(master, pid, commands)));
  await Promise.all(old.map((pid) => tell(master, pid, commands)));
  if (current.length === 0 || !told.every(Boolean)) return false;
  const wanted = changes.flatMap(({ site, come }) =>
    come.map(({ name }) => `${backendOf(site)}/${name}`),
  );
  const states = await Promise.all(
    current.map((pid) => askMaster(master, `@!${pid} show servers state`)),
  );
  return states.every((state) => {
    if (!state.ok) return false;
    const ready = readyServers(state.value);
    return wanted.every((one) => ready.has(one));
  });
}

/** One of its name may be there still, unused, and maybe with another address. */
function added(server: string, { address, port }: Backend): readonly string[] {
  return [
    `del server ${server}`,
    `add server ${server} ${address}:${port} ${SERVER_WORDS}`,
    `set server ${server} addr ${address} port ${port}`,
    `enable health ${server}`,
    `set server ${server} state ready`,
  ];
}

export type Remains = {
  /** Something of them is under way. */
  readonly busy: ReadonlySet<string>;
  /** HAProxy knows them still: it keeps connections that nobody uses for a while. */
  readonly known: ReadonlySet<string>;
};

/** What is left of servers that go, named `backend/server`; those that can be deleted are. */
export async function remainsOf(master: string, servers: readonly string[]): Promise<Remains> {
  const { current, old } = await processesOf(master);
  const pids = [...current, ...old];
  const deletions = servers.map((one) => `del server ${one}`);
  await Promise.all(pids.map((pid) => tell(master, pid, deletions)));
  const answers = await Promise.all(
    pids.map((pid) => askMaster(master, `@!${pid} show servers conn`)),
  );
  const used = answers.flatMap((answer) => (answer.ok ? [...usedConnections(answer.value)] : []));
  const ours = used.filter(([server]) => servers.includes(server));
  return {
    busy: new Set(ours.filter(([, count]) => 0 < count).map(([server]) => server)),
    known: new Set(ours.map(([server]) => server)),
  };
}

/** Clients' connections that are open, and requests under way, in all workers. */
export async function openWork(
  master: string,
): Promise<{ readonly connections: number; readonly requests: number }> {
  const { current, old } = await processesOf(master);
  const answers = await Promise.all(
    [...current, ...old].map(async (pid) => ({
      info: await askMaster(master, `@!${pid} show info`),
      servers: await askMaster(master, `@!${pid} show servers conn`),
    })),
  );
  const sum = (counts: readonly number[]) => counts.reduce((total, one) => total + one, 0);
  return {
    connections: sum(
      answers.map(({ info }) =>
        // Whoever asks here is not counted.
        info.ok ? Number(/^CurrConns: (\d+)/m.exec(info.value)?.[1] ?? 0) : 0,
      ),
    ),
    requests: sum(
      answers.flatMap(({ servers }) =>
        servers.ok ? [...usedConnections(servers.value).values()] : [],
      ),
    ),
  };
}

const MOST_IN_A_LINE = 40;

async function tell(master: string, pid: number, commands: readonly string[]): Promise<boolean> {
  for (let from = 0; from < commands.length; from += MOST_IN_A_LINE) {
    const line = commands
      .slice(from, from + MOST_IN_A_LINE)
      .map((command) => `@!${pid} ${command}`)
      .join(";");
    if (!(await askMaster(master, line)).ok) return false;
  }
  return true;
}

/** Those with no word of maintenance against them, of the answer to "show servers state". */
function readyServers(answer: string): ReadonlySet<string> {
  const rows = answer.split("\n").map((line) => line.split(" "));
  return new Set(
    rows
      .filter((columns) => columns[0] !== "#" && columns[6] === "0")
      .map((columns) => `${columns[1]}/${columns[3]}`),
  );
}

/** `backend/server` -> connections in use, of the answer to "show servers conn". */
function usedConnections(answer: string): ReadonlyMap<string, number> {
  const rows = answer.split("\n").filter((line) => /^\S+\/\S+ /.test(line));
  return new Map(
    rows
      .map((line) => line.split(" "))
      .filter(([name]) => name !== "#")
      .map((columns) => [columns[0] ?? "", Number(columns[6] ?? 0)]),
  );
}
