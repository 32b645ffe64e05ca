/** What stands in a resource group and what belongs to what: Network Watcher's topology. */
import type { JsonObject } from "../arm/json.ts";
import { found, type Result } from "../base/problem.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { cardId, machineId } from "./host-cards.ts";
import { wordAt } from "./request.ts";

export function topologyOf(plane: ControlPlane, body: JsonObject): Result<JsonObject> {
  const group = wordAt(body, "targetResourceGroupName").toLowerCase();
  const prefix = `/subscriptions/${plane.account.subscriptionId}/resourcegroups/${group}/`;
  const node = (id: string, associations: readonly JsonObject[]): JsonObject => ({
    id,
    name: nameOf(id),
    location: plane.account.location,
    associations,
  });
  const declared = plane.resources.list(prefix).flatMap(({ resource }): readonly JsonObject[] => {
    switch (resource.type) {
      case "Microsoft.Network/virtualNetworks": {
        const subnets = plane.resources.list(`${resource.key}/subnets/`);
        return [
          node(
            resource.id,
            subnets.map((one) => tie(one.resource.id, "Contains")),
          ),
        ];
      }
      case "Microsoft.Network/virtualNetworks/subnets": {
        const tied = [resource.networkSecurityGroup, resource.routeTable];
        const ids = tied.flatMap((one) => (one === undefined ? [] : [one.id]));
        return [
          node(
            resource.id,
            ids.map((id) => tie(id, "Associated")),
          ),
        ];
      }
      case "Microsoft.Network/networkSecurityGroups":
      case "Microsoft.Network/routeTables":
      case "Microsoft.Network/publicIPAddresses":
        return [node(resource.id, [])];
      default:
        return [];
    }
  });
  const hosts = (plane.world.blueprint()?.hosts ?? []).filter(
    ({ place }) => place.kind === "subnet",
  );
  const standing = hosts
    .filter((host) => cardId(plane, host).toLowerCase().startsWith(prefix))
    .flatMap((host) => {
      const subnet = host.place.kind === "subnet" ? [tie(host.place.subnet, "Associated")] : [];
      return [
        node(machineId(plane, host), [tie(cardId(plane, host), "Contains")]),
        node(cardId(plane, host), subnet),
      ];
    });
  const now = new Date().toISOString();
  return found({
    id: `${prefix}topology`,
    createdDateTime: now,
    lastModified: now,
    resources: [...declared, ...standing],
  });
}

function tie(id: string, associationType: "Contains" | "Associated"): JsonObject {
  return { name: nameOf(id), resourceId: id, associationType };
}

function nameOf(id: string): string {
  return id.split("/").at(-1) ?? id;
}
