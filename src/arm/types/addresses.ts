/** Public addresses and network interfaces: bodies to resources and back. */
import { parseIpv4 } from "../../network/prefix.ts";
import type { JsonObject } from "../json.ts";
import type { NetworkInterface, PublicIpAddress } from "../resources.ts";
import {
  bodyOf,
  identity,
  located,
  plainLocation,
  type Parsed,
  type ParseRequest,
} from "./body.ts";
import { groupsIn } from "./application-groups.ts";
import { envelope, idOnly, type RenderContext } from "./render.ts";

/** `true`: what the interface's machine passes on to public addresses carries its own. */
const TRANSLATES_TAG = "openase-translates";

/** Minutes, when a body names none, and the published limits. */
const IDLE_MINUTES = { usual: 4, least: 4, most: 30 } as const;

export function parsePublicIpAddress(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const sku = body.choice("sku.name", ["Basic", "Standard"]) ?? "Basic";
  const usual = sku === "Standard" ? "Static" : "Dynamic";
  const label = body.text("properties.dnsSettings.domainNameLabel");
  const allocation =
    body.choice("properties.publicIPAllocationMethod", ["Static", "Dynamic"]) ?? usual;
  if (sku === "Standard" && allocation === "Dynamic")
    body.fail(
      "StandardSkuPublicIPAddressesMustBeStatic",
      "a public address of sku Standard cannot be Dynamic",
      "Write publicIPAllocationMethod Static, or sku Basic.",
    );
  const { usual: minutes, least, most } = IDLE_MINUTES;
  const resource: PublicIpAddress = {
    type: "Microsoft.Network/publicIPAddresses",
    ...identity(request.id, request.before),
    ...located(request, body),
    sku,
    allocation,
    version: body.choice("properties.publicIPAddressVersion", ["IPv4", "IPv6"]) ?? "IPv4",
    idleTimeoutMinutes: body.int("properties.idleTimeoutInMinutes", least, most) ?? minutes,
    ...(label === undefined ? {} : { domainNameLabel: label }),
    extra: body.extra([
      "publicIPAllocationMethod",
      "publicIPAddressVersion",
      "idleTimeoutInMinutes",
      "dnsSettings",
      "ipAddress",
      "ipConfiguration",
    ]),
  };
  return { resources: [resource], replacedParts: [] };
}

export function renderPublicIpAddress(
  address: PublicIpAddress,
  context: RenderContext,
): JsonObject {
  const label = address.domainNameLabel?.toLowerCase();
  const fqdn = `${label}.${plainLocation(address.location)}.cloudapp.azure.com`;
  const properties = {
    ...address.extra,
    publicIPAllocationMethod: address.allocation,
    publicIPAddressVersion: address.version,
    idleTimeoutInMinutes: address.idleTimeoutMinutes,
    ...(label === undefined ? {} : { dnsSettings: { domainNameLabel: label, fqdn } }),
  };
  return envelope(address, context, properties, { sku: { name: address.sku, tier: "Regional" } });
}

export function parseNetworkInterface(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const path = "properties.ipConfigurations";
  const written = body.required(path, body.list(path));
  if (written.length === 0)
    body.fail("InvalidRequestContent", `${path} is empty`, "Give one configuration.");
  const configurations = written.map((one, index) => {
    const at = `${path}[${index}]`;
    const address = one.text("properties.privateIPAddress");
    const fixed =
      one.choice("properties.privateIPAllocationMethod", ["Static", "Dynamic"]) === "Static";
    const publicIpAddress = one.reference("properties.publicIPAddress");
    return {
      name: one.text("name") ?? `ipconfig${index + 1}`,
      primary: one.bool("properties.primary") ?? index === 0,
      subnet: body.required(`${at}.properties.subnet.id`, one.reference("properties.subnet")),
      ...(fixed && address !== undefined
        ? { address: body.accept(`${at}.properties.privateIPAddress`, parseIpv4(address)) }
        : {}),
      ...(publicIpAddress === undefined ? {} : { publicIpAddress }),
      applicationSecurityGroups: groupsIn(one, "properties.applicationSecurityGroups"),
    };
  });
  const group = body.reference("properties.networkSecurityGroup");
  const place = located(request, body);
  const resource: NetworkInterface = {
    type: "Microsoft.Network/networkInterfaces",
    ...identity(request.id, request.before),
    ...place,
    ...(group === undefined ? {} : { networkSecurityGroup: group }),
    forwards: body.bool("properties.enableIPForwarding") ?? false,
    translates: Object.entries(place.tags).some(
      ([name, value]) => name.toLowerCase() === TRANSLATES_TAG && value.toLowerCase() === "true",
    ),
    configurations,
    extra: body.extra([
      "ipConfigurations",
      "networkSecurityGroup",
      "enableIPForwarding",
      "macAddress",
      "primary",
    ]),
  };
  return { resources: [resource], replacedParts: [] };
}

export function renderNetworkInterface(card: NetworkInterface, context: RenderContext): JsonObject {
  return envelope(card, context, {
    dnsSettings: { dnsServers: [], appliedDnsServers: [] },
    enableAcceleratedNetworking: false,
    ...card.extra,
    ...idOnly("networkSecurityGroup", card.networkSecurityGroup),
    enableIPForwarding: card.forwards,
    primary: true,
    ipConfigurations: card.configurations.map((one) => ({
      id: `${card.id}/ipConfigurations/${one.name}`,
      name: one.name,
      type: "Microsoft.Network/networkInterfaces/ipConfigurations",
      properties: {
        provisioningState: "Succeeded",
        primary: one.primary,
        privateIPAddressVersion: "IPv4",
        privateIPAllocationMethod: one.address === undefined ? "Dynamic" : "Static",
        ...(one.address === undefined ? {} : { privateIPAddress: one.address }),
        ...idOnly("subnet", one.subnet),
        ...idOnly("publicIPAddress", one.publicIpAddress),
        ...(one.applicationSecurityGroups.length === 0
          ? {}
          : { applicationSecurityGroups: one.applicationSecurityGroups.map(({ id }) => ({ id })) }),
      },
    })),
  });
}
