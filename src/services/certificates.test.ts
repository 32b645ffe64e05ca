import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Ipv4 } from "../network/prefix.ts";
import { combinedOf, openAuthority, type Authority } from "./certificates.ts";

let folder = "";
let authority: Authority;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-authority-"));
  authority = await open();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the certificate authority", () => {
  test("issues what openssl verifies, for the names, addresses and uses asked for", async () => {
    const files = await issued("front", ["app.example.test", "*.example.test"], ["server"]);
    const verified = openssl(
      "verify",
      "-CAfile",
      files.authority,
      "-purpose",
      "sslserver",
      "-crl_check",
      "-CRLfile",
      authority.revocationList,
      "-verify_hostname",
      "other.example.test",
      files.certificate,
    );
    expect(verified).toContain("OK");
    expect(() =>
      openssl("verify", "-CAfile", files.authority, "-purpose", "sslclient", files.certificate),
    ).toThrow();
    const text = openssl("x509", "-in", files.certificate, "-noout", "-text");
    expect(text).toContain("IP Address:127.9.9.9");
    expect(text).toContain("ASN1 OID: prime256v1");
    expect(text).toContain("/crl/environment.crl");
  });

  test("keeps keys to their owner, and gives HAProxy both in one file", async () => {
    const files = await issued("modes", ["modes.example.test"], ["server"]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of [
      files.key,
      files.certificate,
      combinedOf(files),
      join(folder, "authority.key"),
    ])
      expect(statSync(file).mode & 0o777).toBe(0o600);
    const both = readFileSync(combinedOf(files), "utf8");
    expect(both).toBe(readFileSync(files.certificate, "utf8") + readFileSync(files.key, "utf8"));
  });

  test("gives the present certificate again, until a name or a use is added", async () => {
    const first = readFileSync(
      (await issued("again", ["a.test", "b.test"], ["server"])).certificate,
    );
    expect(readFileSync((await issued("again", ["a.test"], ["server"])).certificate)).toEqual(
      first,
    );
    const more = readFileSync((await issued("again", ["c.test"], ["server"])).certificate);
    expect(more).not.toEqual(first);
    expect(readFileSync((await issued("again", ["c.test"], ["client"])).certificate)).not.toEqual(
      more,
    );
  });

  test("is the same authority when opened again", async () => {
    const before = readFileSync(authority.certificate);
    expect(readFileSync((await open()).certificate)).toEqual(before);
  });

  test("lists what it revoked", async () => {
    const files = await issued("revoked", ["revoked.test"], ["client"]);
    const copy = join(folder, "copy.pem");
    openssl("x509", "-in", files.certificate, "-out", copy);
    expect(await authority.revoke("revoked")).toMatchObject({ ok: true });
    const judged = () =>
      openssl(
        "verify",
        "-crl_check",
        "-CAfile",
        files.authority,
        "-CRLfile",
        authority.revocationList,
        copy,
      );
    expect(judged).toThrow(/revoked/);
    expect(await authority.revoke("never-issued")).toMatchObject({
      ok: false,
      problem: { code: "CertificateNotRevoked" },
    });
  });

  test.each(["a,DNS:evil.test", "a\nb", "", "-a.test", "a..test"])(
    "declines the name %j",
    async (name) => {
      const declined = await authority.issue({
        stem: "odd",
        names: [name],
        addresses: [],
        uses: ["server"],
      });
      expect(declined).toMatchObject({ ok: false, problem: { code: "InvalidCertificateName" } });
    },
  );

  test("says where it cannot stand", async () => {
    const opened = await openAuthority(join(authority.certificate, "below"));
    expect(opened).toMatchObject({ ok: false, problem: { code: "AuthorityUnavailable" } });
  });
});

async function open(): Promise<Authority> {
  const opened = await openAuthority(folder);
  if (!opened.ok) throw new Error(opened.problem.what);
  return opened.value;
}

async function issued(
  stem: string,
  names: readonly string[],
  uses: readonly ("client" | "server")[],
) {
  const files = await authority.issue({ stem, names, addresses: ["127.9.9.9" as Ipv4], uses });
  if (!files.ok) throw new Error(files.problem.what);
  return files.value;
}

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
}
