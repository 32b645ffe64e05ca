/**
 * Hosts of the platform as network interfaces and virtual machines: what Azure's own tools ask for
 * before they tell of routes and rules. Read only: roles come and go with their environment.
 *
 * Interfaces that users declared are resources like all others; here they only get a machine.
 */
import { type Context, Hono } from "hono";

import { parseResourceId, type ResourceId } from "../arm/ids.ts";
import type { JsonObject, JsonValue } from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Blueprint, Host } from "../blueprint/blueprint.ts";
import { effectiveRoutesOf } from "../blueprint/effective-routes.ts";
import { effectiveRule, groupsOf } from "../blueprint/effective-rules.ts";
import { macOfAddress } from "../control/flow-log-record.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { page, refuse, sent } from "./answer.ts";
import { idInPath, segmentCount } from "./request.ts";
import { listOf } from "./resources.ts";

const GROUP = "/subscriptions/:sub/resourcegroups/:group/providers";
const CARDS = "microsoft.network/networkinterfaces";
const MACHINES = "microsoft.compute/virtualmachines";

export function hostCardRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const card = `${GROUP}/${CARDS}/:name`;
  for (const path of [`${GROUP}/${CARDS}`, `/subscriptions/:sub/providers/${CARDS}`])
    routes.get(path, (context) =>
      page(context, [
        ...listOf(plane, scopeOf(context), "Microsoft.Network/networkInterfaces"),
        ...hostsIn(context, plane).map((host) => cardOf(plane, host)),
      ]),
    );
  for (const path of [`${GROUP}/${MACHINES}`, `/subscriptions/:sub/providers/${MACHINES}`])
    routes.get(path, (context) =>
      page(
        context,
        [...hostsIn(context, plane), ...machinesIn(context, plane)].map((host) =>
          machineOf(plane, host),
        ),
      ),
    );
  routes.get(card, async (context, next) => {
    const host = platformHost(context, plane);
    return host === undefined ? next() : sent(context, cardOf(plane, host));
  });
  for (const method of ["put", "patch", "delete"] as const)
    routes[method](card, async (context, next) => {
      const host = platformHost(context, plane);
      return host === undefined ? next() : refuse(context, ofPlatform(host));
    });
  routes.get(`${GROUP}/${MACHINES}/:name`, (context) => {
    const id = idInPath(context);
    if (!id.ok) return refuse(context, id.problem);
    const host = hostOfId(plane, id.value);
    return host === undefined
      ? refuse(context, notFound(id.value))
      : sent(context, machineOf(plane, host));
  });
  const about = (
    word: string,
    show: (blueprint: Blueprint, host: Host, plane: ControlPlane) => readonly JsonValue[],
  ) =>
    routes.post(`${card}/${word}`, (context) => {
      const id = idInPath(context, segmentCount(context) - 1);
      if (!id.ok) return refuse(context, id.problem);
      const standing = standingHost(plane, id.value);
      if (!standing.ok) return refuse(context, standing.problem);
      const { blueprint, host } = standing.value;
      return page(context, show(blueprint, host, plane));
    });
  about("effectiveroutetable", (blueprint, host) => effectiveRoutesOf(blueprint, host) ?? []);
  about("effectivenetworksecuritygroups", effectiveGroups);
  return routes;
}

/** Groups of a host as `effectiveNetworkSecurityGroups` tells them. */
export function effectiveGroups(
  blueprint: Blueprint,
  host: Host,
  plane: ControlPlane,
): readonly JsonObject[] {
  const { place } = host;
  return groupsOf(blueprint, host).map(({ group, at, rules }) => ({
    networkSecurityGroup: { id: group },
    association: {
      ...(at === "interface" ? { networkInterface: { id: cardId(plane, host) } } : {}),
      ...(at === "subnet" && place.kind === "subnet" ? { subnet: { id: place.subnet } } : {}),
    },
    effectiveSecurityRules: rules.map((rule) => ({ ...effectiveRule(rule, blueprint, host) })),
  }));
}

/** The host that an interface or a machine stands for. */
export function standingHost(
  plane: ControlPlane,
  id: ResourceId,
): Result<{ readonly blueprint: Blueprint; readonly host: Host }> {
  const blueprint = plane.world.blueprint();
  const host = hostOfId(plane, id);
  if (blueprint === undefined || host === undefined) return declined(notFound(id));
  return found({ blueprint, host });
}

/** Roles stand in the group of their environment, machines in that of their interface. */
function hostOfId(plane: ControlPlane, { names, resourceGroup }: ResourceId): Host | undefined {
  const name = names[0]?.toLowerCase();
  const group = resourceGroup?.toLowerCase();
  return plane.world
    .blueprint()
    ?.hosts.find((host) => host.name === name && groupOf(plane, host)?.toLowerCase() === group);
}

export function cardId(plane: ControlPlane, host: Host): string {
  return idOf(plane, host, "Microsoft.Network/networkInterfaces");
}

export function machineId(plane: ControlPlane, host: Host): string {
  return idOf(plane, host, "Microsoft.Compute/virtualMachines");
}

function idOf(plane: ControlPlane, host: Host, type: string): string {
  const { subscriptionId } = plane.account;
  const group = groupOf(plane, host) ?? "";
  return `/subscriptions/${subscriptionId}/resourceGroups/${group}/providers/${type}/${host.name}`;
}

function groupOf(plane: ControlPlane, host: Host): string | undefined {
  if (host.place.kind !== "subnet") return undefined;
  const owner =
    host.environment ??
    plane.resources
      .list("")
      .find(
        ({ resource }) =>
          resource.type === "Microsoft.Network/networkInterfaces" &&
          resource.name.toLowerCase() === host.name,
      )?.resource.id;
  const id = owner === undefined ? undefined : parseResourceId(owner);
  return id?.ok === true ? id.value.resourceGroup : undefined;
}

function platformHost(context: Context, plane: ControlPlane): Host | undefined {
  const id = idInPath(context);
  const host = id.ok ? hostOfId(plane, id.value) : undefined;
  return host?.environment === undefined ? undefined : host;
}

function hostsIn(context: Context, plane: ControlPlane): readonly Host[] {
  return standingIn(context, plane).filter(({ environment }) => environment !== undefined);
}

function machinesIn(context: Context, plane: ControlPlane): readonly Host[] {
  return standingIn(context, plane).filter(({ environment }) => environment === undefined);
}

function standingIn(context: Context, plane: ControlPlane): readonly Host[] {
  const group = context.req.param("group")?.toLowerCase();
  return (plane.world.blueprint()?.hosts ?? []).filter((host) => {
    const own = groupOf(plane, host)?.toLowerCase();
    return own !== undefined && (group === undefined || group === own);
  });
}

function scopeOf(context: Context): string {
  const { sub, group } = context.req.param();
  return `/subscriptions/${sub}/${group === undefined ? "" : `resourcegroups/${group}/`}`;
}

export function cardOf(plane: ControlPlane, host: Host): JsonObject {
  const id = cardId(plane, host);
  const { place } = host;
  return {
    id,
    name: host.name,
    type: "Microsoft.Network/networkInterfaces",
    location: plane.account.location,
    managedBy: host.environment ?? null,
    properties: {
      provisioningState: "Succeeded",
      primary: true,
      enableIPForwarding: host.forwards,
      enableAcceleratedNetworking: false,
      macAddress: macOfAddress(place.address),
      dnsSettings: { dnsServers: host.dnsServers ?? [], appliedDnsServers: [] },
      virtualMachine: { id: machineId(plane, host) },
      ipConfigurations: [
        {
          id: `${id}/ipConfigurations/ipconfig1`,
          name: "ipconfig1",
          type: "Microsoft.Network/networkInterfaces/ipConfigurations",
          properties: {
            provisioningState: "Succeeded",
            primary: true,
            privateIPAddress: place.address,
            privateIPAddressVersion: "IPv4",
            privateIPAllocationMethod: "Dynamic",
            ...(place.kind === "subnet" ? { subnet: { id: place.subnet } } : {}),
          },
        },
      ],
    },
  };
}

function machineOf(plane: ControlPlane, host: Host): JsonObject {
  return {
    id: machineId(plane, host),
    name: host.name,
    type: "Microsoft.Compute/virtualMachines",
    location: plane.account.location,
    properties: {
      provisioningState: "Succeeded",
      networkProfile: {
        networkInterfaces: [{ id: cardId(plane, host), properties: { primary: true } }],
      },
    },
  };
}

function ofPlatform(host: Host): Problem {
  return {
    code: "NetworkInterfaceOfPlatform",
    what: `${host.name} is a host of ${host.environment ?? "an environment"}, and its interface comes and goes with it`,
    fix: "Change the environment or its plans; interfaces of your own need another name.",
    where: host.name,
  };
}
