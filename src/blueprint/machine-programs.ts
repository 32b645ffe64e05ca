/**
 * What a machine of the network does, as the tags of its network interface say: a DNS server.
 *
 *   "openase.program": "dns-server"
 *   "openase.dns.db.corp.example": "10.1.3.7"        an address
 *   "openase.dns.www.corp.example": "db.corp.example" another name
 *   "openase.dns-forward": "168.63.129.16"            who is asked for all other names
 *
 * Tags are Azure's own way to note something at a resource; Azure itself ignores these.
 */
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { DEPENDENCY_PORTS } from "../environment/ports.ts";
import { plainName } from "../network/names.ts";
import { parseIpv4, type Ipv4 } from "../network/prefix.ts";
import type { Endpoint } from "./blueprint.ts";

const PROGRAM = "openase.program";
const RECORD = "openase.dns.";
const FORWARD = "openase.dns-forward";
const NAME = /^(\*\.)?([a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?\.)*[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?$/;

export function programsOf(
  machine: { readonly id: string; readonly tags: Readonly<Record<string, string>> },
  address: Ipv4,
): Result<readonly Endpoint[]> {
  const tags = Object.entries(machine.tags).map(([name, value]) => [name.toLowerCase(), value]);
  const program = tags.find(([name]) => name === PROGRAM)?.[1];
  if (program === undefined) return found([]);
  const refuse = (tag: string, what: string, fix: string) =>
    declined(wrongTag(machine.id, tag, what, fix));
  if (program !== "dns-server")
    return refuse(PROGRAM, `"${program}" is no program of a machine`, "Write dns-server.");
  const names: Record<string, Ipv4> = {};
  const aliases: Record<string, string> = {};
  for (const [tag = "", value = ""] of tags.filter(([name]) => name?.startsWith(RECORD))) {
    const name = tag.slice(RECORD.length);
    const parsed = parseIpv4(value);
    const target = plainName(value);
    if (!NAME.test(name))
      return refuse(tag, `"${name}" is not a DNS name`, "Write openase.dns.NAME.");
    if (parsed.ok) names[name] = parsed.value;
    else if (NAME.test(target) && !name.startsWith("*.")) aliases[name] = target;
    else return refuse(tag, `"${value}" is neither an address nor a name`, "Write 10.1.3.7.");
  }
  const forwardTo: Ipv4[] = [];
  const written = tags.find(([name]) => name === FORWARD)?.[1] ?? "";
  for (const text of written.split(/[\s,]+/).filter((one) => one !== "")) {
    const parsed = parseIpv4(text);
    if (!parsed.ok) return refuse(FORWARD, parsed.problem.what, "Write 168.63.129.16.");
    forwardTo.push(parsed.value);
  }
  return found([
    {
      kind: "endpoint",
      name: "dns",
      service: "dns-server",
      address,
      port: DEPENDENCY_PORTS.dns,
      names,
      aliases,
      forwardTo,
    },
  ]);
}

function wrongTag(where: string, tag: string, what: string, fix: string): Problem {
  return { code: "InvalidTag", what: `tag ${tag}: ${what}`, fix, where };
}
