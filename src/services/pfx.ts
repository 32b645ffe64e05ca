/**
 * Reads an uploaded PFX with `openssl`: the pair as PEM, and what its certificate says.
 *
 * At once and in memory: nothing is written here, the password stands in no argument, and no
 * problem repeats what was sent.
 */
import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";

import type { ParseContext } from "../arm/types/body.ts";
import { declined, found, type Result } from "../base/problem.ts";

const LONGEST_MS = 10_000;
const CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN (?:\w+ )?PRIVATE KEY-----[\s\S]+?-----END (?:\w+ )?PRIVATE KEY-----/;

export const readPfx: NonNullable<ParseContext["readPfx"]> = ({ base64, password }) => {
  const pem = pemOf(Buffer.from(base64, "base64"), password);
  if (!pem.ok) return pem;
  const certificates = pem.value.match(CERTIFICATES) ?? [];
  const key = KEY.exec(pem.value)?.[0];
  if (key === undefined) return refuse("holds no private key", "Export it with its private key.");
  try {
    const own = createPrivateKey(key);
    const leaf = certificates.find((one) => new X509Certificate(one).checkPrivateKey(own));
    if (leaf === undefined)
      return refuse("holds no certificate that belongs to its key", "Export both together.");
    const chain = [leaf, ...certificates.filter((one) => one !== leaf)];
    return found({
      about: aboutOf(new X509Certificate(leaf)),
      pair: { certificate: `${chain.join("\n")}\n`, key: `${key}\n` },
    });
  } catch {
    return refuse("holds a certificate or a key that cannot be read", "Export it anew.");
  }
};

/** Old files are encrypted in ways that openssl reads only when it is told to. */
function pemOf(pfx: Buffer, password: string): Result<string> {
  const attempts = [[], ["-legacy"]].map((more) =>
    spawnSync("openssl", ["pkcs12", "-nodes", "-passin", "env:PFX_PASSWORD", ...more], {
      input: pfx,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", PFX_PASSWORD: password },
      timeout: LONGEST_MS,
    }),
  );
  const good = attempts.find(({ status }) => status === 0);
  if (good !== undefined) return found(good.stdout);
  const said = attempts.map(({ stderr }) => stderr ?? "").join("\n");
  return /mac verify|invalid password/i.test(said)
    ? refuse("is not opened by the password", "Correct properties.password.")
    : refuse("is no PFX (PKCS #12) file in base64", "Send the file's bytes in base64.");
}

function aboutOf(certificate: X509Certificate) {
  const names = [...(certificate.subjectAltName ?? "").matchAll(/DNS:([^,\s]+)/g)].map(
    ([, name = ""]) => name.toLowerCase(),
  );
  const commonName = (text: string) => /^CN=(.+)$/m.exec(text)?.[1] ?? "";
  const subjectName = commonName(certificate.subject);
  return {
    hostNames: names.length === 0 ? [subjectName.toLowerCase()] : names,
    subjectName,
    issuer: commonName(certificate.issuer),
    thumbprint: certificate.fingerprint.replaceAll(":", ""),
    issueDate: new Date(certificate.validFrom).toISOString(),
    expirationDate: new Date(certificate.validTo).toISOString(),
  };
}

function refuse(what: string, fix: string) {
  return declined({ code: "BadRequest", what: `the file ${what}`, fix });
}
