/**
 * Writes the generated parts of docs/: flows and ports, codes of problems, help of commands.
 *
 * `node scripts/generate-docs.ts` writes; test/repository/docs.test.ts holds that nothing has
 * changed since. What stands outside the marks is written by people and left alone.
 */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import {
  portsInWords,
  REQUIRED_FLOWS,
  type FlowEnd,
  type RequiredFlow,
} from "../src/environment/flows.ts";
import { ADDRESS_ECHO_PORTS, APP_PORTS } from "../src/environment/ports.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** A document, the mark in it, and what stands between the marks. */
export type Generated = {
  readonly document: string;
  readonly mark: string;
  readonly text: () => string;
};

export const GENERATED: readonly Generated[] = [
  { document: "docs/ports-and-flows.md", mark: "inbound", text: () => flowTable("Inbound") },
  { document: "docs/ports-and-flows.md", mark: "outbound", text: () => flowTable("Outbound") },
  { document: "docs/ports-and-flows.md", mark: "contradictions", text: contradictionTable },
  { document: "docs/ports-and-flows.md", mark: "apps", text: appTable },
  { document: "docs/problems.md", mark: "problems", text: problemTable },
  { document: "docs/commands.md", mark: "commands", text: commandHelp },
];

/** The document as it should be. */
export function regenerated(document: string): string {
  return GENERATED.filter((one) => one.document === document).reduce(
    (page, { mark, text }) => {
      const [begin, end] = [`<!-- generated: ${mark} -->`, `<!-- end: ${mark} -->`];
      const [before, rest] = [page.indexOf(begin), page.indexOf(end)];
      if (before < 0 || rest < before)
        throw new Error(`${document} lacks the marks ${begin} and ${end}`);
      return `${page.slice(0, before + begin.length)}\n\n${text()}\n\n${page.slice(rest)}`;
    },
    readFileSync(ROOT + document, "utf8"),
  );
}

const ENDS: Readonly<Record<FlowEnd, string>> = {
  "management-addresses": "management addresses (tag `AppServiceManagement`)",
  "load-balancer": "load balancer (tag `AzureLoadBalancer`)",
  subnet: "the environment's subnet",
  vip: "the environment",
  clients: "users of the apps",
  apps: "the apps",
  "platform-resolver": "the platform's resolver",
  "network-resolvers": "the DNS servers the virtual network names",
  network: "the rest of the virtual network",
  internet: "any public address",
  sql: "databases (tag `Sql`)",
};
const GRADES = {
  hard: "unhealthy, in the end suspended",
  degraded: "works, worse",
  app: "users do not get through",
  optional: "may be blocked",
} as const;

function flowTable(direction: RequiredFlow["direction"]): string {
  const rows = REQUIRED_FLOWS.filter((flow) => flow.direction === direction).map((flow) => [
    flow.title,
    ENDS[flow.from],
    ENDS[flow.to],
    flow.protocol === "*" ? "all" : `${flow.protocol.toUpperCase()} ${portsInWords(flow.ports)}`,
    GRADES[flow.grade],
    `\`${flow.id}\``,
    flow.heading,
  ]);
  return table(["Use", "From", "To", "Port", "Cut", "Id", "Heading of the article"], rows);
}

/** Where sources say other numbers; the article decides. */
function contradictionTable(): string {
  const rows = REQUIRED_FLOWS.flatMap(({ id, sources = [] }) =>
    sources.length === 0 ? [] : [[`\`${id}\``, sources.join("; ")]],
  );
  return table(["Id", "What the sources say"], rows);
}

function appTable(): string {
  const { web, ftp, remoteDebugging, webDeploy } = APP_PORTS;
  return table(
    ["Use", "Ports"],
    [
      ["HTTP, HTTPS", `${web.http}, ${web.https}`],
      ["FTP, FTPS", `${ftp.control}, ${ftp.implicitTls}, ${ftp.data.low}-${ftp.data.high}`],
      ["Remote debugging", remoteDebugging.join(", ")],
      ["Web Deploy", String(webDeploy)],
      ["Answer with an address and nothing more; may be blocked", ADDRESS_ECHO_PORTS.join(", ")],
    ],
  );
}

/** Codes of problems in the sources, with the room that detects them. */
export function problemCodes(): ReadonlyMap<string, readonly string[]> {
  const codes = new Map<string, Set<string>>();
  for (const file of globSync("src/**/*.ts", { cwd: ROOT }).filter(
    (name) => !/\.(test|testing)\.ts$/.test(name),
  )) {
    const [, room = "", ...inner] = file.split("/");
    for (const [, value = ""] of readFileSync(ROOT + file, "utf8").matchAll(/\bcode:\s*([^\n]*)/g))
      for (const [, code = ""] of value.matchAll(/["']([A-Z][A-Za-z0-9]+)["']/g))
        codes.set(code, (codes.get(code) ?? new Set()).add(inner.length === 0 ? "main" : room));
  }
  return new Map(
    [...codes]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([code, rooms]) => [code, [...rooms].toSorted()]),
  );
}

function problemTable(): string {
  const rows = [...problemCodes()].map(([code, rooms]) => [`\`${code}\``, rooms.join(", ")]);
  return table(["Code", "Detected in"], rows);
}

const COMMANDS = [
  "check",
  "diff",
  "explain",
  "up",
  "down",
  "status",
  "addresses",
  "hosts",
  "events",
  "logs",
  "app deploy",
  "app list",
  "exec",
  "suspend",
  "resume",
  "reboot",
  "rest",
  "az",
] as const;

function commandHelp(): string {
  return COMMANDS.map((command) => {
    const words = [...command.split(" "), "--help"];
    const help = execFileSync(`${ROOT}ase`, words, {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
    });
    return `## ase ${command}\n\n\`\`\`text\n${help.trim()}\n\`\`\``;
  }).join("\n\n");
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

if (import.meta.main)
  for (const document of new Set(GENERATED.map((one) => one.document)))
    writeFileSync(ROOT + document, regenerated(document));
