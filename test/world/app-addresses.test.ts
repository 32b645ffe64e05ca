/** An app's own address (IP-based TLS): a pair of ports in the subnet, a certificate, one app. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  openTestWorld,
  until,
  untilHealthy,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const NAME = "www.contoso.test";
const PASSWORD = "not-to-be-told";

let world: TestWorld;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ase-pfx-"));
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world?.close();
});

/** A new certificate of its own for a name: the PFX in base64, and the certificate's file. */
function pfxOf(name: string) {
  const at = (ending: string) => join(folder, `${name}.${ending}`);
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"],
    ...["-keyout", at("key"), "-out", at("crt"), "-days", "30", "-subj", `/CN=${name}`],
    ...["-addext", `subjectAltName=DNS:${name}`],
  ]);
  execFileSync("openssl", [
    ...["pkcs12", "-export", "-in", at("crt"), "-inkey", at("key"), "-out", at("pfx")],
    ...["-passout", `pass:${PASSWORD}`],
  ]);
  return { base64: readFileSync(at("pfx")).toString("base64"), certificate: at("crt") };
}

const site = () => world.web("sites/hello");
const certificate = () => world.web("certificates/contoso");
const addresses = async (): Promise<Loose[]> =>
  (await world.arm("GET", world.web("hostingEnvironments/demo/capacities/virtualip"))).properties
    .vipMappings;
const notices = async (): Promise<string[]> =>
  (await world.arm("GET", world.web("hostingEnvironments/demo"))).properties.notices;
const bind = (sslState: string, thumbprint?: string) =>
  world.arm("PUT", site(), {
    properties: {
      hostNameSslStates: [
        {
          name: NAME,
          sslState,
          toUpdate: true,
          ...(thumbprint === undefined ? {} : { thumbprint }),
        },
      ],
    },
  });
const curl = (...words: readonly string[]) =>
  world.exec("internet", ["curl", "-s", "-m", "3", "-o", "-", "-w", "\n%{http_code}", ...words]);
const at = (address: string, name = NAME) =>
  [80, 443].flatMap((port) => ["--resolve", `${name}:${port}:${address}`]);

let thumbprint = "";
let own: Loose;
let pfx: ReturnType<typeof pfxOf>;

describe("an uploaded certificate", () => {
  test("is refused with a wrong password, and nothing of it is told", async () => {
    pfx = pfxOf(NAME);
    const body = { location: "local", properties: { pfxBlob: pfx.base64, password: "wrong-one" } };
    const refusal = await world.refused("PUT", certificate(), body);
    expect(refusal).toMatchObject({
      code: "BadRequest",
      what: expect.stringContaining("is not opened by the password"),
    });
    expect(refusal.what).not.toContain("wrong-one");
    const noPfx = { location: "local", properties: { pfxBlob: "bm90aGluZw==" } };
    expect((await world.refused("PUT", certificate(), noPfx)).what).toContain("no PFX");
  });

  test("says what it is for, and keeps its key", async () => {
    const body = { location: "local", properties: { pfxBlob: pfx.base64, password: PASSWORD } };
    await world.arm("PUT", certificate(), body);
    const shown = await world.arm("GET", certificate());
    expect(shown.properties).toMatchObject({ hostNames: [NAME], subjectName: NAME });
    expect(JSON.stringify(shown)).not.toMatch(/PRIVATE KEY|pfxBlob|password/);
    thumbprint = shown.properties.thumbprint;
    expect(thumbprint).toMatch(/^[0-9A-F]{40}$/);
    const pki = join(world.home.folder, "pki");
    const files = await until(
      "its files stand",
      () => {
        const names = readdirSync(pki).filter((name) => name.startsWith("uploaded-"));
        return names.length === 2 ? names : undefined;
      },
      5_000,
    );
    expect(files.map((name) => statSync(join(pki, name)).mode & 0o777)).toEqual([0o600, 0o600]);
  });

  test("is bound to names of the app only, and only when it is there", async () => {
    const unknown = await world.refused("PUT", site(), {
      properties: { hostNameSslStates: [{ name: NAME, sslState: "SniEnabled", thumbprint }] },
    });
    expect(unknown).toMatchObject({
      code: "HostNameNotFound",
      what: expect.stringContaining(NAME),
    });
    await world.arm("PUT", `${site()}/hostNameBindings/${NAME}`, { properties: {} });
    const missing = await world.refused("PUT", site(), {
      properties: {
        hostNameSslStates: [{ name: NAME, sslState: "SniEnabled", thumbprint: "A".repeat(40) }],
      },
    });
    expect(missing.code).toBe("CertificateNotFound");
  });

  test("is shown by name at the VIP with SNI", async () => {
    await bind("SniEnabled", thumbprint);
    const vip = await world.vip();
    const secure = await until(
      "it is shown",
      async () => {
        const answer = await curl(...at(vip), "--cacert", pfx.certificate, `https://${NAME}/`);
        return answer.stdout.endsWith("\n200") ? answer : undefined;
      },
      5_000,
    );
    expect(secure.stdout).toContain("demo-demo-plan-");
    const others = ["--cacert", world.home.authority, "https://hello.demo.p.azurewebsites.net/"];
    expect((await curl(...others)).stdout).toMatch(/\n200$/);
    expect((await world.refused("DELETE", certificate())).code).toBe("CertificateInUse");
  });
});

describe("an address of an app", () => {
  test("stands ready before anybody asks for it", async () => {
    expect(await addresses()).toEqual([
      {
        virtualIP: expect.stringMatching(/^198\.18\./),
        internalHttpPort: 20_001,
        internalHttpsPort: 20_002,
        inUse: false,
        serviceName: null,
      },
    ]);
  });

  test("is given within seconds, and another one stands ready", async () => {
    const [spare] = await addresses();
    const begun = performance.now();
    await bind("IpBasedEnabled", thumbprint);
    const all = await addresses();
    expect(performance.now() - begun).toBeLessThan(5_000);
    own = all[0];
    expect(own).toEqual({ ...spare, inUse: true, serviceName: "hello" });
    expect(all[1]).toMatchObject({ inUse: false, internalHttpPort: 20_003 });
    const { properties } = await world.arm("GET", site());
    expect(properties.inboundIpAddress).toBe(own.virtualIP);
    expect(properties.hostNameSslStates.find(({ name }: Loose) => name === NAME)).toMatchObject({
      sslState: "IpBasedEnabled",
      virtualIP: own.virtualIP,
      thumbprint,
    });
  });

  test("is not reached while rules do not let the pair of ports through, and status says so", async () => {
    expect((await curl(...at(own.virtualIP), `http://${NAME}/`)).exitCode).toBe(28);
    const [notice] = await notices();
    expect(notice).toMatch(
      new RegExp(
        `^clients do not reach ${own.virtualIP}, the address of hello: port 20001 is denied by rule .* of demo-nsg; port 20002 is denied by`,
      ),
    );
  });

  test("leads to that app alone, with its certificate, once they do", async () => {
    await world.arm("PUT", world.network("networkSecurityGroups/demo-nsg/securityRules/own"), {
      properties: {
        ...{ priority: 200, direction: "Inbound", access: "Allow", protocol: "Tcp" },
        ...{ sourceAddressPrefix: "*", sourcePortRange: "*", destinationAddressPrefix: "*" },
        destinationPortRange: "20001-20002",
      },
    });
    const { virtualIP } = own;
    const plain = await curl(...at(virtualIP), `http://${NAME}/`);
    expect(plain.stdout).toMatch(/demo-demo-plan-[\s\S]*\n200$/);
    const secure = await curl(...at(virtualIP), "--cacert", pfx.certificate, `https://${NAME}/`);
    expect(secure.stdout).toMatch(/demo-demo-plan-[\s\S]*\n200$/);
    // A client that asks for no name is shown the same certificate.
    const shown = await world.exec(
      "internet",
      ["openssl", "s_client", "-connect", `${virtualIP}:443`, "-noservername"],
      "",
    );
    expect(shown.stdout).toContain(`subject=CN = ${NAME}`);
    expect(await notices()).toEqual([]);
    // Another app of the environment is not there.
    await world.arm("PUT", world.web("sites/second"), {
      location: "local",
      properties: { serverFarmId: world.web("serverfarms/demo-plan") },
    });
    const second = "second.demo.p.azurewebsites.net";
    const answers = async () =>
      (await curl(`http://${second}/`)).stdout.endsWith("\n200") ? true : undefined;
    await until("the second app answers at the VIP", answers, 10_000);
    expect((await curl(...at(virtualIP, second), `http://${second}/`)).stdout).toMatch(/\n404$/);
    const byAddress = await curl(`http://${virtualIP}/`);
    expect(byAddress.stdout).toMatch(/\n404$/);
    const seen = await world.exec("demo-front-end-0", ["ss", "-Htln"]);
    expect(seen.stdout).toMatch(/:20001 /);
  });

  test("stays over a crash of the control plane", async () => {
    const before = await addresses();
    const file = join(world.home.folder, "run", "control.json");
    const { pid } = JSON.parse(readFileSync(file, "utf8")) as { readonly pid: number };
    process.kill(pid, "SIGKILL");
    await world.startAgain();
    expect(await addresses()).toEqual(before);
    expect((await curl(...at(own.virtualIP), `http://${NAME}/`)).stdout).toMatch(/\n200$/);
  });

  test("is given back when nobody needs it", async () => {
    await bind("SniEnabled", thumbprint);
    const { virtualIP } = own;
    expect((await curl(...at(virtualIP), `http://${NAME}/`)).exitCode).not.toBe(0);
    expect((await addresses()).map(({ inUse }) => inUse)).toEqual([false]);
    await bind("Disabled");
    await world.arm("DELETE", certificate());
    const pki = join(world.home.folder, "pki");
    await until(
      "its files are gone",
      () => (readdirSync(pki).some((name) => name.startsWith("uploaded-")) ? undefined : true),
      5_000,
    );
  });

  test("no log and no event tells the password or the key", async () => {
    const said = [
      JSON.stringify(await world.events(0)),
      ...readdirSync(join(world.home.folder, "logs"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8")),
    ].join("\n");
    for (const secret of [PASSWORD, "wrong-one", "PRIVATE KEY", pfx.base64.slice(0, 60)])
      expect(said.includes(secret)).toBe(false);
  });
});
