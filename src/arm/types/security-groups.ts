/** Network security groups and their rules: bodies to resources and back. */
import { ProblemError } from "../../base/problem.ts";
import { parseCidr6 } from "../../network/prefix6.ts";
import { parseCidr } from "../../network/prefix.ts";
import {
  type AddressMatch,
  ANY_PORT,
  defaultRules,
  type PortRange,
  type SecurityRule,
} from "../../network/rule.ts";
import { childOf, formatResourceId, keyOf, parentOf, type ResourceId } from "../ids.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { NetworkSecurityGroup, Reference, SecurityRuleResource } from "../resources.ts";
import {
  Body,
  bodyOf,
  identity,
  located,
  type ParseContext,
  type Parsed,
  type ParseRequest,
} from "./body.ts";
import { groupsIn } from "./application-groups.ts";
import { envelope, type RenderContext } from "./render.ts";

const GROUP = "Microsoft.Network/networkSecurityGroups";
const RULE = "Microsoft.Network/networkSecurityGroups/securityRules";
const MOST_RULES = 1_000;
const MOST_PREFIXES = 4_000;
const MOST_APPLICATION_GROUPS = 10;
const PRIORITIES = { least: 100, most: 4_096 } as const;

export function parseSecurityGroup(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const group: NetworkSecurityGroup = {
    type: GROUP,
    ...identity(request.id, request.before),
    ...located(request, body),
    flushConnection: body.bool("properties.flushConnection") ?? false,
    extra: body.extra(["flushConnection", "securityRules", "networkInterfaces", "subnets"]),
  };
  const rules = body.list("properties.securityRules") ?? [];
  if (MOST_RULES < rules.length)
    body.fail(
      "SecurityRuleLimitReached",
      `the group has ${rules.length} rules`,
      `Keep to ${MOST_RULES} rules.`,
    );
  const parts = rules.map((rule, index) => {
    const name = rule.required(`properties.securityRules[${index}].name`, rule.text("name"));
    const id = childOf(request.id, "securityRules", name);
    const { lookUp } = request.context;
    return ruleOf(
      id,
      new Body(rule.json, formatResourceId(id)),
      lookUp(keyOf(id)),
      request.context,
    );
  });
  judgePriorities(body, parts);
  return { resources: [group, ...parts], replacedParts: [RULE] };
}

function judgePriorities(body: Body, rules: readonly SecurityRuleResource[]): void {
  const taken = new Map<string, string>();
  for (const { name, rule } of rules) {
    const place = `${rule.direction} ${rule.priority}`;
    const other = taken.get(place);
    if (other !== undefined)
      body.fail(
        "SecurityRuleConflict",
        `the rules "${other}" and "${name}" have the same direction and priority (${place})`,
        "Give one of them another priority.",
      );
    taken.set(place, name);
  }
}

export function parseSecurityRule(request: ParseRequest): Parsed {
  const rule = ruleOf(request.id, bodyOf(request), request.before, request.context);
  return { resources: [rule], replacedParts: [] };
}

function ruleOf(
  id: ResourceId,
  body: Body,
  before: ParseRequest["before"],
  context: ParseContext,
): SecurityRuleResource {
  const parent = parentOf(id) ?? id;
  const group = { id: formatResourceId(parent), key: keyOf(parent) };
  const needed = <Value>(name: string, value: Value | undefined) =>
    body.required(`properties.${name}`, value);
  const own = identity(id, before);
  const addresses = (side: "source" | "destination"): readonly AddressMatch[] => {
    const path = `properties.${side}AddressPrefix`;
    const groups = groupsIn(body, `properties.${side}ApplicationSecurityGroups`);
    if (0 < groups.length) return groupMatches(body, side, path, groups);
    const written = several(body, path, `${path}es`);
    if (MOST_PREFIXES < written.length)
      body.fail(
        "SecurityRuleLimitReached",
        `${path}es has ${written.length} entries`,
        `Keep to ${MOST_PREFIXES}.`,
      );
    return written.map((text) => addressOf(text, path, body, context));
  };
  const ports = (side: "source" | "destination"): readonly PortRange[] => {
    const path = `properties.${side}PortRange`;
    return several(body, path, `${path}s`).map((text) => portsOf(text, path, body));
  };
  const rule: SecurityRule = {
    name: own.name,
    group: group.id,
    origin: "user",
    priority: needed(
      "priority",
      body.int("properties.priority", PRIORITIES.least, PRIORITIES.most),
    ),
    direction: needed("direction", body.choice("properties.direction", ["Inbound", "Outbound"])),
    access: needed("access", body.choice("properties.access", ["Allow", "Deny"])),
    protocol: needed(
      "protocol",
      body.choice("properties.protocol", ["Tcp", "Udp", "Icmp", "Esp", "Ah", "*"]),
    ),
    sources: addresses("source"),
    sourcePorts: ports("source"),
    destinations: addresses("destination"),
    destinationPorts: ports("destination"),
  };
  const description = body.text("properties.description");
  const { words, rest } = splitWords(body);
  return {
    type: RULE,
    ...own,
    group,
    rule,
    ...(description === undefined ? {} : { description }),
    words,
    extra: rest,
  };
}

/** Groups stand alone on their side of a rule. Their members are filled in by the compiler. */
function groupMatches(
  body: Body,
  side: "source" | "destination",
  path: string,
  groups: readonly Reference[],
): readonly AddressMatch[] {
  const name = `properties.${side}ApplicationSecurityGroups`;
  if (MOST_APPLICATION_GROUPS < groups.length)
    body.fail(
      "SecurityRuleLimitReached",
      `${name} names ${groups.length} groups`,
      `Keep to ${MOST_APPLICATION_GROUPS}.`,
    );
  const written = body.text(path) ?? body.texts(`${path}es`)?.find((text) => text !== "");
  if (written !== undefined)
    body.fail(
      "SecurityRuleParameterContainsUnsupportedCombination",
      `${name} is given beside ${path} "${written}"`,
      `Keep one of them.`,
    );
  return groups.map(({ id }) => ({ kind: "asg", id, addresses: [] }));
}

const WORDS: JsonObject = {
  sourcePortRange: "",
  destinationPortRange: "",
  sourceAddressPrefix: "",
  destinationAddressPrefix: "",
  sourcePortRanges: [],
  destinationPortRanges: [],
  sourceAddressPrefixes: [],
  destinationAddressPrefixes: [],
};

/** All eight words, absent ones empty: az cannot print rules that lack one. */
function splitWords(body: Body): { readonly words: JsonObject; readonly rest: JsonObject } {
  const words = Object.fromEntries(
    Object.entries(WORDS).map(([name, empty]): [string, JsonValue] => [
      name,
      body.value(`properties.${name}`) ?? empty,
    ]),
  );
  const read = ["priority", "direction", "access", "protocol", "description"];
  const groups = ["sourceApplicationSecurityGroups", "destinationApplicationSecurityGroups"];
  return { words, rest: body.extra([...Object.keys(WORDS), ...read, ...groups]) };
}

function several(body: Body, one: string, many: string): readonly string[] {
  const list = (body.texts(many) ?? []).filter((text) => text !== "");
  const value = body.value(one);
  const single = typeof value === "number" ? String(value) : body.text(one);
  const all = single === undefined ? list : [single, ...list];
  if (0 < all.length) return all;
  return body.fail(
    "InvalidRequestContent",
    `neither ${one} nor ${many} is given`,
    `Add ${one}, "*" for all.`,
  );
}

/** Tags that are not published data: their meaning depends on the network. */
const SPECIAL_TAGS = ["VirtualNetwork", "Internet", "AzureLoadBalancer"];

function addressOf(text: string, path: string, body: Body, context: ParseContext): AddressMatch {
  if (text === "*" || text.toLowerCase() === "any") return { kind: "any" };
  if (/^[\da-f]*:[\da-f:.]*(\/\d+)?$/i.test(text))
    return {
      kind: "prefix6",
      prefix: body.accept(path, parseCidr6(text), "SecurityRuleInvalidAddressPrefix"),
    };
  if (/^\d/.test(text))
    return {
      kind: "prefix",
      prefix: body.accept(path, parseCidr(text), "SecurityRuleInvalidAddressPrefix"),
    };
  return { kind: "tag", tag: tagOf(text, path, body, context) };
}

/** The published spelling of a service tag. An unknown one is an error, never an empty set. */
export function tagOf(text: string, path: string, body: Body, context: ParseContext): string {
  const special = SPECIAL_TAGS.find((tag) => tag.toLowerCase() === text.toLowerCase());
  if (special !== undefined) return special;
  const answer = context.isServiceTag(text);
  if ("known" in answer) return answer.known;
  const near = answer.nearest.length === 0 ? "" : ` Near it: ${answer.nearest.join(", ")}.`;
  throw new ProblemError({
    code: "SecurityRuleInvalidAddressPrefix",
    what: `${path}: "${text}" is neither a prefix nor a known service tag`,
    fix: `Correct the name, or write a prefix like 10.0.1.0/24.${near}`,
    where: body.where,
  });
}

function portsOf(text: string, path: string, body: Body): PortRange {
  if (text === "*") return ANY_PORT;
  const [, low, high = low] = /^\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?$/.exec(text) ?? [];
  const range = { low: Number(low), high: Number(high) };
  if (low !== undefined && range.low <= range.high && range.high <= 65_535) return range;
  return body.fail(
    "SecurityRuleInvalidPortRange",
    `${path}: "${text}" is not a port range`,
    `Write a port, a range like 8000-8100, or "*"; several ports go into ${path}s.`,
  );
}

export function renderSecurityGroup(
  group: NetworkSecurityGroup,
  context: RenderContext,
): JsonObject {
  const rules = context.ofType(RULE).filter((one) => one.group.key === group.key);
  const subnets = context
    .ofType("Microsoft.Network/virtualNetworks/subnets")
    .filter((one) => one.networkSecurityGroup?.key === group.key);
  const cards = context
    .ofType("Microsoft.Network/networkInterfaces")
    .filter((one) => one.networkSecurityGroup?.key === group.key);
  return envelope(group, context, {
    ...group.extra,
    flushConnection: group.flushConnection,
    securityRules: rules.map((rule) => renderSecurityRule(rule, context)),
    defaultSecurityRules: defaultRules(group.id).map((rule) => renderDefault(rule, group)),
    ...(subnets.length === 0 ? {} : { subnets: subnets.map(({ id }) => ({ id })) }),
    ...(cards.length === 0 ? {} : { networkInterfaces: cards.map(({ id }) => ({ id })) }),
  });
}

export function renderSecurityRule(
  resource: SecurityRuleResource,
  context: RenderContext,
): JsonObject {
  const { protocol, access, priority, direction } = resource.rule;
  return envelope(resource, context, {
    ...resource.extra,
    ...(resource.description === undefined ? {} : { description: resource.description }),
    protocol,
    access,
    priority,
    direction,
    ...resource.words,
    sourceApplicationSecurityGroups: groupIds(resource.rule.sources),
    destinationApplicationSecurityGroups: groupIds(resource.rule.destinations),
  });
}

function groupIds(matches: readonly AddressMatch[]): readonly JsonObject[] {
  return matches.flatMap((match) => (match.kind === "asg" ? [{ id: match.id }] : []));
}

function renderDefault(rule: SecurityRule, group: NetworkSecurityGroup): JsonObject {
  const text = (match: AddressMatch | undefined) => (match?.kind === "tag" ? match.tag : "*");
  return {
    id: `${group.id}/defaultSecurityRules/${rule.name}`,
    name: rule.name,
    type: `${GROUP}/defaultSecurityRules`,
    properties: {
      ...WORDS,
      provisioningState: "Succeeded",
      protocol: rule.protocol,
      access: rule.access,
      priority: rule.priority,
      direction: rule.direction,
      sourcePortRange: "*",
      destinationPortRange: "*",
      sourceAddressPrefix: text(rule.sources[0]),
      destinationAddressPrefix: text(rule.destinations[0]),
      sourceApplicationSecurityGroups: [],
      destinationApplicationSecurityGroups: [],
    },
  };
}
