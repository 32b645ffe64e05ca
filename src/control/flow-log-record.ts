/**
 * Records of Azure's NSG flow logs, version 2: their shape, their tuples, the path of their file.
 *
 * Text only. A tuple: epoch, source, destination, ports, T|U, I|O, A|D, B|C|E, packets and bytes out
 * and in; where a flow begins the last four are empty.
 */
import type { SeenFlow } from "../blueprint/seen-flows.ts";

const CATEGORY = "NetworkSecurityGroupFlowEvent";

export function recordOf(
  group: string,
  mac: string,
  flows: readonly SeenFlow[],
  time: number,
): object {
  const rules = [...new Set(flows.map(ruleName))];
  return {
    time: new Date(time).toISOString(),
    systemId: "openase",
    macAddress: mac,
    category: CATEGORY,
    resourceId: group.toUpperCase(),
    operationName: `${CATEGORY}s`,
    properties: {
      Version: 2,
      flows: rules.map((rule) => ({
        rule,
        flows: [{ mac, flowTuples: flows.filter((flow) => ruleName(flow) === rule).map(tupleOf) }],
      })),
    },
  };
}

export function fileOf(group: string, mac: string, time: number): string {
  const [year = "", month = "", day = "", hour = ""] = new Date(time).toISOString().split(/[-T:]/);
  return [
    `insights-logs-${CATEGORY.toLowerCase()}/resourceId=${group.toUpperCase()}`,
    `y=${year}/m=${month}/d=${day}/h=${hour}/m=00/macAddress=${mac}/PT1H.json`,
  ].join("/");
}

/** Of the host whose gate saw the flow. */
export function macOf({ direction, from, to }: SeenFlow): string {
  return macOfAddress(direction === "Inbound" ? to : from);
}

/** Made of the address: all links of the world bear one and the same. */
export function macOfAddress(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "00", ...bytes].join("").toUpperCase();
}

function ruleName({ origin, rule }: SeenFlow): string {
  return `${origin === "default" ? "DefaultRule" : "UserRule"}_${rule}`;
}

export function tupleOf(flow: SeenFlow): string {
  const { access, counted, direction, from, fromPort, protocol, state, time, to, toPort } = flow;
  return [
    ...[Math.floor(time / 1000), from, to, fromPort, toPort],
    ...[protocol === "Tcp" ? "T" : "U", direction === "Inbound" ? "I" : "O"],
    ...[access === "Allow" ? "A" : "D", state],
    ...(counted === undefined
      ? ["", "", "", ""]
      : [counted.packetsOut, counted.bytesOut, counted.packetsIn, counted.bytesIn]),
  ].join(",");
}
