import { describe, expect, test } from "vitest";

import type { Cidr, Ipv4 } from "../network/prefix.ts";
import { refusalOf, type Admission } from "./admission.ts";

const admission: Admission = {
  name: "mine",
  addresses: [{ from: "198.18.0.4" as Ipv4, to: "198.18.0.9" as Ipv4 }],
  subnets: [{ network: "/networks/a", prefix: "10.0.1.0/24" as Cidr }],
};
const refusal = (source: string, network?: string) => refusalOf(admission, source as Ipv4, network);

describe("whom a service admits", () => {
  test("from the internet: addresses of its ranges, both ends included", () => {
    for (const one of ["198.18.0.4", "198.18.0.9"]) expect(refusal(one)).toBeUndefined();
    for (const other of ["198.18.0.3", "198.18.0.10", "10.0.1.4"])
      expect(refusal(other)).toContain(`${other} is not allowed to access mine`);
  });

  test("by an endpoint: subnets of its rules, of that very network, and no address", () => {
    expect(refusal("10.0.1.4", "/networks/a")).toBeUndefined();
    for (const [source, network] of [
      ["10.0.2.4", "/networks/a"],
      ["10.0.1.4", "/networks/b"],
      ["198.18.0.4", "/networks/a"],
    ] as const)
      expect(refusal(source, network)).toContain("no virtual network rule");
  });
});
