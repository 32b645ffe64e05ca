/**
 * Places of the world by the names people use: `internet`, `vnet/NAME`, `onprem/NAME`, hosts.
 */
import { nameOf, parseResourceId } from "../arm/ids.ts";
import { declined, found, type Result } from "../base/problem.ts";
import type { Blueprint, Host } from "../blueprint/blueprint.ts";
import type { StandingPlace } from "../fabric/fabric.ts";
import type { WorldView } from "./control-plane.ts";

export function describeHost(host: Host): Omit<WorldView["hosts"][number], "programs"> {
  const { place } = host;
  const at =
    "network" in place
      ? `vnet/${nameIn(place.network)}`
      : place.kind === "site"
        ? `onprem/${nameIn(place.site)}`
        : "internet";
  return {
    name: host.name,
    role: host.role,
    place: at,
    address: place.address,
    ...(host.environment === undefined ? {} : { environment: host.environment }),
  };
}

export function placesOf(blueprint: Blueprint | undefined): readonly string[] {
  const networks = (blueprint?.hosts ?? [])
    .filter(({ role }) => role === "Visitor")
    .map((host) => describeHost(host).place);
  const hosts = (blueprint?.hosts ?? []).filter(
    ({ role }) => role !== "Visitor" && role !== "Endpoint",
  );
  return ["internet", ...networks, ...hosts.map(({ name }) => name)];
}

export function placeOf(blueprint: Blueprint | undefined, at: string): Result<StandingPlace> {
  const wanted = at.toLowerCase();
  if (wanted === "internet") return found({ kind: "internet" });
  const hosts = (blueprint?.hosts ?? []).filter(
    (host) => host.name === wanted || visitorNames(host).includes(wanted),
  );
  const [host, ...others] = hosts;
  if (host !== undefined && others.length === 0) return found({ kind: "host", name: host.name });
  const onprem = wanted === "onprem" && host === undefined;
  return declined({
    code: "NoSuchPlace",
    what: onprem
      ? "No on-premises network is connected"
      : host === undefined
        ? `There is no place "${at}" in this world`
        : `There are ${hosts.length} places "${at}"`,
    fix:
      host === undefined
        ? `Stand at one of: ${placesOf(blueprint).slice(0, 12).join(", ")}. \`ase hosts\` lists all.`
        : `Name the whole place: ${hosts.flatMap((one) => ownName(one, hosts)).join(", ")}.`,
    where: at,
  });
}

/**
 * `vnet/NAME` or `onprem/NAME`, with the group before the name where several have one; `onprem`
 * alone where there is one site.
 */
function visitorNames({ role, place }: Host): readonly string[] {
  if (role !== "Visitor" || (place.kind !== "visitor" && place.kind !== "site")) return [];
  const [word, of] = place.kind === "site" ? ["onprem", place.site] : ["vnet", place.network];
  const id = parseResourceId(of);
  if (!id.ok) return [];
  const name = nameOf(id.value);
  const names = [`${word}/${name}`, `${word}/${id.value.resourceGroup ?? ""}/${name}`];
  return [...names, ...(place.kind === "site" ? [word] : [])].map((text) => text.toLowerCase());
}

/** The shortest name that no other of several hosts has. */
function ownName(host: Host, among: readonly Host[]): readonly string[] {
  const others = among.filter((one) => one !== host).flatMap(visitorNames);
  return visitorNames(host)
    .filter((name) => !others.includes(name))
    .slice(0, 1);
}

function nameIn(id: string): string {
  return id.split("/").at(-1) ?? id;
}
