/**
 * Bodies of what joins networks, for world tests: a spoke with a machine, a gateway with an office
 * behind it, and somebody who says whom he sees.
 */
import type { JsonValue } from "../../src/arm/json.ts";
import { untilText, type Begun, type TestWorld } from "./world.ts";

const NODE = process.execPath;
const LOCATION = "westeurope";

export const SPOKE_PREFIX = "10.20.0.0/16";
export const OFFICE_PREFIX = "192.168.0.0/16";
export const MACHINE = "10.20.1.4";
/** The highest address of the office, where `ase exec --at onprem` stands. */
export const OFFICE = "192.168.255.254";
/** Of the office's own way to the internet. */
export const OFFICE_PUBLIC = "203.0.113.77";

export async function putSpoke(world: TestWorld): Promise<void> {
  const spoke = world.network("virtualNetworks/spoke");
  await world.arm("PUT", spoke, {
    location: LOCATION,
    properties: {
      addressSpace: { addressPrefixes: [SPOKE_PREFIX] },
      subnets: [{ name: "vms", properties: { addressPrefix: "10.20.1.0/24" } }],
    },
  });
  await world.arm(
    "PUT",
    world.network("networkInterfaces/vm"),
    card(`${spoke}/subnets/vms`, MACHINE),
  );
}

export function card(
  subnet: string,
  address: string,
  more: Record<string, JsonValue> = {},
): JsonValue {
  const { tags = {}, ...properties } = more;
  return {
    location: LOCATION,
    tags,
    properties: {
      ...properties,
      ipConfigurations: [
        {
          name: "first",
          properties: {
            subnet: { id: subnet },
            privateIPAllocationMethod: "Static",
            privateIPAddress: address,
          },
        },
      ],
    },
  };
}

export async function putPeering(
  world: TestWorld,
  from: string,
  to: string,
  flags: Record<string, JsonValue> = {},
): Promise<void> {
  await world.arm("PUT", world.network(`virtualNetworks/${from}/virtualNetworkPeerings/to-${to}`), {
    properties: {
      remoteVirtualNetwork: { id: world.network(`virtualNetworks/${to}`) },
      ...flags,
    },
  });
}

/** A VPN gateway in a network, its office, and the connection. @param announces by BGP */
export async function putOffice(
  world: TestWorld,
  network: string,
  { subnet, announces = "" }: { readonly subnet: string; readonly announces?: string },
): Promise<void> {
  const gateways = world.network(`virtualNetworks/${network}/subnets/GatewaySubnet`);
  await world.arm("PUT", gateways, { properties: { addressPrefix: subnet } });
  await world.arm("PUT", world.network("virtualNetworkGateways/vpn"), {
    location: LOCATION,
    properties: {
      gatewayType: "Vpn",
      ipConfigurations: [{ name: "default", properties: { subnet: { id: gateways } } }],
    },
  });
  await announce(world, announces);
  await world.arm("PUT", world.network("connections/to-office"), {
    location: LOCATION,
    properties: {
      connectionType: "IPsec",
      enableBgp: true,
      virtualNetworkGateway1: { id: world.network("virtualNetworkGateways/vpn") },
      localNetworkGateway2: { id: world.network("localNetworkGateways/office") },
    },
  });
}

export async function announce(world: TestWorld, announces: string): Promise<void> {
  await world.arm("PUT", world.network("localNetworkGateways/office"), {
    location: LOCATION,
    tags: announces === "" ? {} : { "openase-announces": announces },
    properties: {
      localNetworkAddressSpace: { addressPrefixes: [OFFICE_PREFIX] },
      gatewayIpAddress: OFFICE_PUBLIC,
    },
  });
}

/** Says to whoever comes which address he comes from. */
export async function sayWho(world: TestWorld, at: string, port: number): Promise<Begun> {
  const program = `require("net").createServer((s) => { s.on("error", () => {}); s.end(s.remoteAddress.replace("::ffff:", "")); }).listen(${port}, () => console.log("listens"))`;
  const begun = world.begin(at, [NODE, "-e", program]);
  await untilText(
    `somebody listens at ${at}`,
    async () => begun.said(),
    (text) => text !== "",
    5_000,
  );
  return begun;
}

/** What somebody at a place hears from an address. */
export async function hear(world: TestWorld, at: string, address: string, port: number) {
  const words = `cat < /dev/tcp/${address}/${port}`;
  const { stdout, exitCode } = await world.exec(at, ["timeout", "1", "bash", "-c", words]);
  return exitCode === 0 ? stdout.trim() : "silence";
}
