/**
 * Network Watcher: IP flow verify, next hop, security groups, topology and configuration, computed
 * from what stands by the law; the connectivity check sends a packet for real.
 *
 * The watcher itself is a resource that is only declared: there is one network to watch.
 */
import { type Context, Hono } from "hono";

import { childOf, keyOf, parseResourceId } from "../arm/ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  propertyAt,
} from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Blueprint, Host } from "../blueprint/blueprint.ts";
import { effectiveName, subnetOfHost, verifyIpFlow } from "../blueprint/effective-rules.ts";
import { FLOW_LOG_TYPE } from "../blueprint/flow-logs.ts";
import type { Decider } from "../blueprint/walk.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Packet } from "../network/packet-set.ts";
import { parseIpv4, type Ipv4 } from "../network/prefix.ts";
import type { Direction } from "../network/rule.ts";
import { selectRoute } from "../network/select-route.ts";
import { answer, refuse, sent } from "./answer.ts";
import { effectiveGroups, machineId, standingHost, cardId } from "./host-cards.ts";
import { bodyOf, idInPath, segmentCount, wordAt } from "./request.ts";
import { listOf } from "./resources.ts";
import { topologyOf } from "./watched-topology.ts";

const WATCHER =
  "/subscriptions/:sub/resourcegroups/:group/providers/microsoft.network/networkwatchers/:name";

type Answered = Result<JsonObject> | Promise<Result<JsonObject>>;

export function watcherRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const at = (word: string, work: (plane: ControlPlane, body: JsonObject) => Answered) =>
    routes.post(`${WATCHER}/${word}`, async (context) => {
      const missing = watcherMissing(context, plane);
      if (missing !== undefined) return refuse(context, missing);
      const body = await bodyOf(context);
      if (!body.ok) return refuse(context, body.problem);
      return answer(context, await work(plane, body.value), (value) => sent(context, value));
    });
  at("ipflowverify", ipFlowVerify);
  at("nexthop", nextHop);
  at("securitygroupview", securityGroupView);
  at("connectivitycheck", connectivityCheck);
  at("networkconfigurationdiagnostic", configurationDiagnostic);
  at("topology", topologyOf);
  routes.post(`${WATCHER}/configureflowlog`, (context) => flowLog(context, plane, "configure"));
  routes.post(`${WATCHER}/queryflowlogstatus`, (context) => flowLog(context, plane, "query"));
  return routes;
}

function watcherMissing(context: Context, plane: ControlPlane): Problem | undefined {
  const id = idInPath(context, segmentCount(context) - 1);
  if (!id.ok) return id.problem;
  return plane.resources.get(keyOf(id.value)) === undefined ? notFound(id.value) : undefined;
}

/** A group's flow log by the older calls: it is a resource of the watcher either way. */
async function flowLog(
  context: Context,
  plane: ControlPlane,
  how: "configure" | "query",
): Promise<Response> {
  const watcher = idInPath(context, segmentCount(context) - 1);
  if (!watcher.ok) return refuse(context, watcher.problem);
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const group = wordAt(body.value, "targetResourceId");
  const logs = listOf(plane, `${keyOf(watcher.value)}/`, FLOW_LOG_TYPE);
  const known = logs.find(
    (log) => wordAt(log, "properties", "targetResourceId").toLowerCase() === group.toLowerCase(),
  );
  const shown = (properties: JsonValue | undefined) =>
    sent(context, {
      targetResourceId: group,
      properties: {
        storageId: wordAt(properties, "storageId"),
        enabled: properties !== undefined && propertyAt(properties, "enabled") !== false,
        retentionPolicy: propertyAt(properties, "retentionPolicy") ?? { days: 0, enabled: false },
        format: { type: "JSON", version: 2 },
      },
    });
  if (how === "query") return shown(known?.["properties"]);
  const name = wordAt(known, "name") || `${group.split("/").at(-1) ?? "group"}-flowlog`;
  const properties = propertyAt(body.value, "properties");
  const written = plane.resources.put({
    id: childOf(watcher.value, "flowLogs", name),
    body: {
      location: plane.account.location,
      properties: { ...(isJsonObject(properties) ? properties : {}), targetResourceId: group },
    },
  });
  return answer(context, written, () => shown(properties));
}

function ipFlowVerify(plane: ControlPlane, body: JsonObject): Answered {
  const target = targetOf(plane, body, "targetResourceId");
  if (!target.ok) return target;
  const { blueprint, host } = target.value;
  const direction = directionOf(textOf(body, "direction"));
  const local = parseIpv4(textOf(body, "localIPAddress") ?? host.place.address);
  const remote = parseIpv4(textOf(body, "remoteIPAddress") ?? "");
  if (!local.ok) return local;
  if (!remote.ok) return remote;
  const ports = [portOf(body, "localPort"), portOf(body, "remotePort")] as const;
  const packet = packetOf(direction, textOf(body, "protocol"), [local.value, remote.value], ports);
  const { access, ruleName } = verifyIpFlow(blueprint, host, direction, packet);
  return found({ access, ruleName });
}

function nextHop(plane: ControlPlane, body: JsonObject): Answered {
  const target = targetOf(plane, body, "targetResourceId");
  if (!target.ok) return target;
  const { blueprint, host } = target.value;
  const to = parseIpv4(textOf(body, "destinationIPAddress") ?? "");
  if (!to.ok) return to;
  const route = selectRoute(subnetOfHost(blueprint, host)?.routes ?? [], to.value);
  if (route === undefined) return found({ nextHopType: "None", routeTableId: "System Route" });
  const { nextHop: hop, table } = route;
  return found({
    nextHopType: hop.kind,
    ...(hop.kind === "VirtualAppliance" ? { nextHopIpAddress: hop.address } : {}),
    routeTableId: table ?? "System Route",
  });
}

function securityGroupView(plane: ControlPlane, body: JsonObject): Answered {
  const target = targetOf(plane, body, "targetResourceId");
  if (!target.ok) return target;
  const { blueprint, host } = target.value;
  const groups = effectiveGroups(blueprint, host, plane);
  const rulesOf = (group: JsonObject | undefined) =>
    isJsonArray(group?.["effectiveSecurityRules"]) ? group["effectiveSecurityRules"] : [];
  const association = (kind: "subnet" | "networkInterface") => {
    const group = groups.find((one) => propertyAt(one, "association", kind) !== undefined);
    const id = propertyAt(group, "association", kind, "id");
    return group === undefined ? null : { id: id ?? null, securityRules: rulesOf(group) };
  };
  const all = groups.flatMap(rulesOf);
  return found({
    networkInterfaces: [
      {
        id: cardId(plane, host),
        securityRuleAssociations: {
          networkInterfaceAssociation: association("networkInterface"),
          subnetAssociation: association("subnet"),
          defaultSecurityRules: all.filter(isDefault),
          effectiveSecurityRules: all,
        },
      },
    ],
  });
}

function isDefault(rule: JsonValue): boolean {
  return wordAt(rule, "name").startsWith("defaultSecurityRules/");
}

/** One packet for real, from the host to where it is asked to go. */
async function connectivityCheck(
  plane: ControlPlane,
  body: JsonObject,
): Promise<Result<JsonObject>> {
  const target = targetOf(plane, body, "source", "resourceId");
  if (!target.ok) return target;
  const { host } = target.value;
  const named = textOf(body, "destination", "address");
  const resource = textOf(body, "destination", "resourceId");
  const other = resource === undefined ? undefined : hostAt(plane, resource);
  if (other?.ok === false) return other;
  const to = other?.value.host.place.address ?? named ?? "";
  const port = wordAt(body, "destination", "port") || "80";
  const began = performance.now();
  const traced = await plane.world.trace(`tcp ${host.name} -> ${to}:${port}`);
  if (!traced.ok && traced.problem.code !== "InvalidPacket") return traced;
  const elapsed = Math.max(1, Math.round(performance.now() - began));
  const reached = traced.ok && traced.value.answer === "answered";
  const issues = traced.ok
    ? issuesOf(traced.value.stoppedBy, reached)
    : [issue("DnsResolution", traced.problem.what)];
  const latency = reached ? elapsed : null;
  return found({
    connectionStatus: reached ? "Reachable" : "Unreachable",
    ...{ avgLatencyInMs: latency, minLatencyInMs: latency, maxLatencyInMs: latency },
    probesSent: 1,
    probesFailed: reached ? 0 : 1,
    hops: [
      {
        type: "Source",
        id: "source",
        address: host.place.address,
        resourceId: machineId(plane, host),
        nextHopIds: ["destination"],
        previousHopIds: [],
        issues,
      },
      {
        type: other === undefined ? "Internet" : "VirtualMachine",
        id: "destination",
        address: to,
        ...(other === undefined ? {} : { resourceId: machineId(plane, other.value.host) }),
        nextHopIds: [],
        previousHopIds: ["source"],
        issues: [],
      },
    ],
  });
}

function issuesOf(stoppedBy: Decider | undefined, reached: boolean): readonly JsonObject[] {
  if (reached) return [];
  if (stoppedBy === undefined) return [issue("Unknown", "no answer came back")];
  const types: Partial<Record<Decider["kind"], string>> = {
    rule: "NetworkSecurityRule",
    route: "UserDefinedRoute",
  };
  return [issue(types[stoppedBy.kind] ?? "Platform", stoppedBy.sentence)];
}

function issue(type: string, what: string): JsonObject {
  return { origin: "Outbound", severity: "Error", type, context: [{ message: what }] };
}

function configurationDiagnostic(plane: ControlPlane, body: JsonObject): Answered {
  const target = targetOf(plane, body, "targetResourceId");
  if (!target.ok) return target;
  const { blueprint, host } = target.value;
  const profiles = propertyAt(body, "profiles");
  const results: JsonObject[] = [];
  for (const profile of isJsonArray(profiles) ? profiles : []) {
    const text = (name: string) => wordAt(profile, name);
    const [from, to] = [parseIpv4(text("source")), parseIpv4(text("destination"))];
    if (!from.ok) return from;
    if (!to.ok) return to;
    const direction = directionOf(text("direction"));
    const protocol = /udp/i.test(text("protocol")) ? "Udp" : "Tcp";
    const verdict = verifyIpFlow(blueprint, host, direction, {
      from: from.value,
      to: to.value,
      protocol,
      fromPort: SOME_PORT,
      toPort: Number(text("destinationPort")) || 0,
    });
    results.push({
      profile,
      networkSecurityGroupResult: {
        securityRuleAccessResult: verdict.access,
        evaluatedNetworkSecurityGroups: verdict.asked.map(({ group, rule }) => ({
          networkSecurityGroupId: group.group,
          appliedTo: group.at === "interface" ? cardId(plane, host) : subnetId(host),
          matchedRule:
            rule === undefined ? null : { ruleName: effectiveName(rule), action: rule.access },
          rulesEvaluationResult: [],
        })),
      },
    });
  }
  return found({ results });
}

const SOME_PORT = 50_000;

function subnetId({ place }: Host): string | null {
  return place.kind === "subnet" ? place.subnet : null;
}

/** The host that a machine or an interface named in a body stands for. */
function targetOf(plane: ControlPlane, body: JsonObject, ...path: readonly string[]) {
  return hostAt(plane, textOf(body, ...path) ?? "");
}

function hostAt(
  plane: ControlPlane,
  id: string,
): Result<{ readonly blueprint: Blueprint; readonly host: Host }> {
  const parsed = parseResourceId(id);
  if (parsed.ok) return standingHost(plane, parsed.value);
  return declined({
    code: "InvalidRequestContent",
    what: `"${id}" is not the id of a virtual machine or a network interface`,
    fix: "Name one; `az network nic list` shows them.",
  });
}

function textOf(body: JsonObject, ...path: readonly string[]): string | undefined {
  const word = wordAt(body, ...path);
  return word === "" ? undefined : word;
}

function portOf(body: JsonObject, name: string): number {
  const port = Number(wordAt(body, name));
  return Number.isInteger(port) && 0 <= port && port < 65_536 ? port : 0;
}

function directionOf(text: string | undefined): Direction {
  return /^out/i.test(text ?? "") ? "Outbound" : "Inbound";
}

function packetOf(
  direction: Direction,
  protocol: string | undefined,
  [local, remote]: readonly [Ipv4, Ipv4],
  [localPort, remotePort]: readonly [number, number],
): Packet {
  const spoken = /udp/i.test(protocol ?? "") ? "Udp" : "Tcp";
  return direction === "Inbound"
    ? { from: remote, to: local, protocol: spoken, fromPort: remotePort, toPort: localPort }
    : { from: local, to: remote, protocol: spoken, fromPort: localPort, toPort: remotePort };
}
