/**
 * Rules between resources: what must exist beside one, and what it must not collide with.
 *
 * Judges a resource among all wanted ones as they are after a change, so that an order of writes
 * plays no part. A resource by itself was judged when it was parsed.
 */
import type { Resource } from "../arm/resources.ts";
import type { Problem } from "../base/problem.ts";
import { isRecordSet } from "../arm/types/private-dns.ts";
import { judgeLink, judgeRecordSet } from "./dns-neighbours.ts";
import {
  judgeConnection,
  judgeGateway,
  judgePeeredSpace,
  judgePeering,
} from "./connection-neighbours.ts";
import {
  judgeInterface,
  judgeNetwork,
  judgeRoute,
  judgeRule,
  judgeSubnet,
} from "./network-neighbours.ts";
import { missingReference, type Wanted } from "./references.ts";
import { judgeEnvironment, judgeKept, judgePlan, judgeSite } from "./web-neighbours.ts";

/** What is wrong with a resource among its neighbours. @param before it, before the change */
export function judgeNeighbours(
  resource: Resource,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const missing = missingReference(resource, wanted);
  if (missing !== undefined) return missing;
  if (isRecordSet(resource)) return judgeRecordSet(resource, wanted);
  switch (resource.type) {
    case "Microsoft.Network/virtualNetworks":
      return judgeNetwork(resource, wanted) ?? judgePeeredSpace(resource, wanted);
    case "Microsoft.Network/virtualNetworks/virtualNetworkPeerings":
      return judgePeering(resource, wanted);
    case "Microsoft.Network/virtualNetworkGateways":
      return judgeGateway(resource, wanted);
    case "Microsoft.Network/connections":
      return judgeConnection(resource, wanted);
    case "Microsoft.Network/virtualNetworks/subnets":
      return judgeSubnet(resource, before, wanted);
    case "Microsoft.Network/networkSecurityGroups/securityRules":
      return judgeRule(resource, wanted);
    case "Microsoft.Network/routeTables/routes":
      return judgeRoute(resource, wanted);
    case "Microsoft.Network/networkInterfaces":
      return judgeInterface(resource, wanted);
    case "Microsoft.Network/privateDnsZones/virtualNetworkLinks":
      return judgeLink(resource, wanted);
    case "Microsoft.Web/hostingEnvironments":
      return judgeEnvironment(resource, before, wanted);
    case "Microsoft.Web/serverfarms":
      return judgePlan(resource, before, wanted);
    case "Microsoft.Web/sites":
      return judgeSite(resource, before, wanted);
    case "DeclaredOnly":
      return judgeKept(resource, wanted);
    default:
      return undefined;
  }
}
