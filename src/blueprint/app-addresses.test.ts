import { describe, expect, test } from "vitest";

import { keyOf } from "../arm/ids.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { MOST_APP_ADDRESSES, portPairOf } from "../environment/app-addresses.ts";
import { ENVIRONMENT_ID, idOf, SITE_ID, sketch, wanted } from "../../test/support/resources.ts";
import { flowsOfAppAddresses, heldAppAddresses, unreachedAppAddresses } from "./app-addresses.ts";
import { checkBlueprint } from "./check.ts";
import { compile } from "./compile.ts";
import { EMPTY_LEDGER, type Ledger } from "./ledger.ts";

const THUMBPRINT = "AB".repeat(20);
const certificate: Resource = {
  id: idOf("Microsoft.Web/certificates", "one"),
  key: keyOf(idOf("Microsoft.Web/certificates", "one")),
  ...{ name: "one", extra: {}, location: "local", tags: {} },
  type: "Microsoft.Web/certificates",
  about: {
    ...{ hostNames: ["*.test"], subjectName: "", issuer: "", issueDate: "", expirationDate: "" },
    thumbprint: THUMBPRINT,
  },
  pair: { certificate: "c", key: "k" },
};
const [template] = sketch().filter(({ id }) => id === SITE_ID);

/** Sites by name, each with a binding of its own. */
function sites(names: readonly string[]): readonly Resource[] {
  return names.map((name): Resource => {
    const id = idOf("Microsoft.Web/sites", name);
    return {
      ...(template as ResourceOf<"Microsoft.Web/sites">),
      ...{ id, key: keyOf(id), name, hostNames: [`${name}.test`] },
      hostNameSslStates: [
        { name: `${name}.test`, sslState: "IpBasedEnabled", thumbprint: THUMBPRINT },
      ],
    };
  });
}
const compiled = (
  names: readonly string[],
  of: Parameters<typeof sketch>[0] & { readonly before?: Ledger } = {},
) =>
  compile(
    wanted(sketch({ ...of, extra: [certificate, ...sites(names)] }), {
      contentOf: (key) => ({
        ...{ folder: "/content", version: "1", runtime: "static" },
        number: 2 + names.findIndex((name) => key.endsWith(`/${name}`)),
      }),
    }),
    of.before ?? EMPTY_LEDGER,
    1,
  );
const heldIn = ({ ledger }: { readonly ledger: Ledger }) =>
  heldAppAddresses(ledger, keyOf(ENVIRONMENT_ID)).map(
    ({ address, ports, site }) => `${address} ${ports.http} ${site?.split("/").at(-1) ?? "ready"}`,
  );

describe("addresses of apps", () => {
  test("one stands ready, and becomes that of the next app; the others stay as they are", () => {
    const none = compiled([]);
    const [spare = ""] = heldIn(none);
    expect(spare).toMatch(/ 20001 ready$/);
    const first = compiled(["b"], { before: none.ledger });
    expect(heldIn(first)).toEqual([
      spare.replace("ready", "b"),
      expect.stringMatching(/ 20003 ready$/),
    ]);
    const both = compiled(["a", "b"], { before: first.ledger });
    expect(heldIn(both).slice(0, 2)).toEqual([
      spare.replace("ready", "b"),
      heldIn(first)[1]?.replace("ready", "a"),
    ]);
    const without = compiled(["a"], { before: both.ledger });
    expect(heldIn(without)).toEqual([spare, heldIn(both)[1]]);
  });

  test("are as many as an environment reserves, and none of an ILB environment", () => {
    expect(heldIn(compiled([], { kind: "Internal" }))).toEqual([]);
    const many = Array.from({ length: MOST_APP_ADDRESSES }, (_, index) => `app-${index}`);
    const full = compiled(many);
    expect(heldIn(full)).toHaveLength(MOST_APP_ADDRESSES);
    expect(heldIn(full).filter((one) => one.endsWith("ready"))).toEqual([]);
    expect(checkBlueprint(full.blueprint)).toEqual([]);
  });

  test("lead to their pair of ports at every front end, and to one app", () => {
    const { blueprint, ledger } = compiled(["a"]);
    expect(checkBlueprint(blueprint)).toEqual([]);
    const [own] = heldAppAddresses(ledger, keyOf(ENVIRONMENT_ID));
    const translations = blueprint.networks[0]?.translations.filter(
      ({ address }) => address === own?.address,
    );
    expect(
      translations?.map(({ at, port, targets }) => [at, port, targets.map((to) => to.port)]),
    ).toEqual([
      ["edge", 80, [20_001, 20_001]],
      ["edge", 443, [20_002, 20_002]],
    ]);
    const proxy = blueprint.hosts
      .flatMap(({ programs }) => programs)
      .find((program) => program.kind === "front-end");
    expect(proxy?.appAddresses).toMatchObject([
      { site: "a", ports: portPairOf(1), certificates: [{ name: "a.test" }] },
    ]);
    expect(flowsOfAppAddresses(blueprint, ENVIRONMENT_ID)).toMatchObject([
      { id: "app-address-a", grade: "app", ports: [{ low: 20_001 }, { low: 20_002 }] },
    ]);
  });

  test("need rules for the pair: 80 and 443 do not suffice", () => {
    const unreached = (ports: readonly { readonly low: number; readonly high: number }[]) => {
      const { blueprint, ledger } = compiled(["a"], {
        rules: [{ name: "web", destinationPorts: ports }],
      });
      return unreachedAppAddresses(blueprint, heldAppAddresses(ledger, keyOf(ENVIRONMENT_ID)));
    };
    const [notice] = unreached([
      { low: 80, high: 80 },
      { low: 443, high: 443 },
    ]);
    expect(notice).toContain("port 20001 is denied by rule DenyAllInBound");
    expect(unreached([{ low: 20_001, high: 20_002 }])).toEqual([]);
  });
});
