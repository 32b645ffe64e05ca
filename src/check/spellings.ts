/**
 * A repair in the three languages that networks are written in: `az`, ARM, Terraform.
 *
 * Text only; what to repair is decided in fixes.ts.
 */
import type { NextHop } from "../network/route.ts";
import type { AddressMatch, PortRange, SecurityRule } from "../network/rule.ts";

type Spelled = { readonly az: string; readonly arm: string; readonly terraform: string };

/** The rule as a new rule of its group. */
export function spellRule(rule: SecurityRule): Spelled {
  const { group, name: groupName } = placeIn(rule.group);
  const from = rule.sources.map(matchInWords);
  const to = rule.destinations.map(matchInWords);
  const ports = rule.destinationPorts.map(portInWords);
  const protocol = rule.protocol;
  const az = [
    "az network nsg rule create",
    `--resource-group ${quoted(group)} --nsg-name ${quoted(groupName)} --name ${quoted(rule.name)}`,
    `--priority ${rule.priority} --direction ${rule.direction} --access ${rule.access} --protocol ${quoted(protocol)}`,
    `--source-address-prefixes ${from.map(quoted).join(" ")} --source-port-ranges '*'`,
    `--destination-address-prefixes ${to.map(quoted).join(" ")} --destination-port-ranges ${ports.map(quoted).join(" ")}`,
  ].join(" ");
  const properties = {
    priority: rule.priority,
    direction: rule.direction,
    access: rule.access,
    protocol,
    sourcePortRange: "*",
    ...oneOrMany("sourceAddressPrefix", "sourceAddressPrefixes", from),
    ...oneOrMany("destinationAddressPrefix", "destinationAddressPrefixes", to),
    ...oneOrMany("destinationPortRange", "destinationPortRanges", ports),
  };
  return {
    az,
    arm: JSON.stringify({ name: rule.name, properties }, undefined, 2),
    terraform: terraform(`azurerm_network_security_rule`, rule.name, {
      name: rule.name,
      resource_group_name: group,
      network_security_group_name: groupName,
      priority: rule.priority,
      direction: rule.direction,
      access: rule.access,
      protocol,
      source_port_range: "*",
      ...oneOrMany("source_address_prefix", "source_address_prefixes", from),
      ...oneOrMany("destination_address_prefix", "destination_address_prefixes", to),
      ...oneOrMany("destination_port_range", "destination_port_ranges", ports),
    }),
  };
}

/** A route of a table; `destination` is a prefix or a tag. */
export function spellRoute(
  table: string,
  route: { readonly name: string; readonly destination: string; readonly nextHop: NextHop["kind"] },
): Spelled {
  const { group, name: tableName } = placeIn(table);
  const { name, destination, nextHop } = route;
  return {
    az: `az network route-table route create --resource-group ${quoted(group)} --route-table-name ${quoted(tableName)} --name ${name} --address-prefix ${destination} --next-hop-type ${nextHop}`,
    arm: JSON.stringify(
      { name, properties: { addressPrefix: destination, nextHopType: nextHop } },
      undefined,
      2,
    ),
    terraform: terraform("azurerm_route", name, {
      name,
      resource_group_name: group,
      route_table_name: tableName,
      address_prefix: destination,
      next_hop_type: nextHop,
    }),
  };
}

/** Service endpoints of a subnet; the list replaces what was there. */
export function spellEndpoints(subnet: string, services: readonly string[]): Spelled {
  const { group, name, parent } = placeIn(subnet);
  return {
    az: `az network vnet subnet update --resource-group ${quoted(group)} --vnet-name ${quoted(parent)} --name ${quoted(name)} --service-endpoints ${services.map(quoted).join(" ")}`,
    arm: JSON.stringify(
      { name, properties: { serviceEndpoints: services.map((service) => ({ service })) } },
      undefined,
      2,
    ),
    terraform: terraform("azurerm_subnet", name, { service_endpoints: services }),
  };
}

/** `AppServiceManagement`, `10.0.1.0/24`, `*`. */
export function matchInWords(match: AddressMatch): string {
  switch (match.kind) {
    case "any":
      return "*";
    case "tag":
      return match.tag;
    case "asg":
      return match.id;
    default:
      return match.prefix.replace(/\/32$/, "");
  }
}

function portInWords({ low, high }: PortRange): string {
  if (low === 0 && high === 65_535) return "*";
  return low === high ? `${low}` : `${low}-${high}`;
}

function oneOrMany(one: string, many: string, values: readonly string[]) {
  const [first] = values;
  return values.length === 1 && first !== undefined ? { [one]: first } : { [many]: values };
}

/** Group, name and the parent's name of a resource id. */
function placeIn(id: string): { group: string; name: string; parent: string } {
  const parts = id.split("/");
  return { group: parts[4] ?? "", name: parts.at(-1) ?? "", parent: parts.at(-3) ?? "" };
}

function quoted(word: string): string {
  return /^[\w./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function terraform(
  type: string,
  name: string,
  values: Readonly<Record<string, string | number | readonly string[]>>,
): string {
  const width = Math.max(...Object.keys(values).map((key) => key.length));
  const label = name.toLowerCase().replaceAll(/[^a-z0-9_]+/g, "_");
  const lines = Object.entries(values).map(
    ([key, value]) =>
      `  ${key.padEnd(width)} = ${typeof value === "object" ? `[${value.map((one) => JSON.stringify(one)).join(", ")}]` : JSON.stringify(value)}`,
  );
  return [`resource "${type}" "${label}" {`, ...lines, "}"].join("\n");
}
