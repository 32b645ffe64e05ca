import { expect, test } from "vitest";

import type { Endpoint } from "../blueprint/blueprint.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { dnsServerConfiguration } from "./dns-server.ts";

test("a DNS server knows exact names, whole domains and aliases, and denies or forwards the rest", () => {
  const program: Endpoint = {
    ...{ kind: "endpoint", name: "dns", service: "dns-server", port: 53 },
    address: "10.1.3.4" as Ipv4,
    names: { "db.corp.test": "10.1.3.7" as Ipv4, "*.apps.corp.test": "10.1.1.9" as Ipv4 },
    aliases: { "www.corp.test": "db.corp.test" },
  };
  const lines = dnsServerConfiguration(program, "nobody").split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "listen-address=10.1.3.4",
      "host-record=db.corp.test,10.1.3.7",
      "address=/apps.corp.test/10.1.1.9",
      "cname=www.corp.test,db.corp.test",
      "local=/#/",
      "user=nobody",
    ]),
  );
  const forwarding = dnsServerConfiguration(
    { ...program, forwardTo: ["168.63.129.16" as Ipv4] },
    "nobody",
  );
  expect(forwarding).toContain("\nserver=168.63.129.16\n");
  expect(forwarding).not.toContain("local=");
});
