/**
 * The product's own certificate authority, kept in one folder and worked through `openssl`.
 *
 * Keys never leave the folder (0700, files 0600) and never stand in arguments. Who needs which
 * certificate is decided in blueprint/; nothing here listens or connects.
 */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { access, chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { declined, found, problemOf, type Result } from "../base/problem.ts";
import type { CertificateFiles } from "../blueprint/blueprint.ts";
import { DEPENDENCIES } from "../environment/dependencies.ts";
import { parseIpv4, type Ipv4 } from "../network/prefix.ts";

export type Authority = {
  readonly certificate: string;
  readonly revocationList: string;
  /** A key pair for the names; the present one where it still serves. */
  readonly issue: (wish: CertificateWish) => Promise<Result<CertificateFiles>>;
  /** Keeps pairs that were made elsewhere; those of the prefix that are not among them go. */
  readonly keep: (
    prefix: string,
    pairs: readonly KeptPair[],
  ) => Promise<Result<ReadonlyMap<string, CertificateFiles>>>;
  /** Puts a certificate on the revocation list; the next `issue` of its stem makes a new one. */
  readonly revoke: (stem: string) => Promise<Result<"done">>;
};

/** PEM, the certificate with its chain. */
export type KeptPair = {
  readonly stem: string;
  readonly certificate: string;
  readonly key: string;
};

export type CertificateWish = {
  /** Name of the files: `<stem>.crt`, `<stem>.key`, and `<stem>.pem` with both for HAProxy. */
  readonly stem: string;
  /** Full names, may begin with `*.`. */
  readonly names: readonly string[];
  readonly addresses: readonly Ipv4[];
  readonly uses: readonly ("client" | "server")[];
};

/** Where the http endpoint offers the list. @article ASE outbound dependencies */
export const REVOCATION_PATH = "/crl/environment.crl";
/** A certificate with less left is made anew. */
export const RENEWAL_DAYS = 30;

/** No stem is empty, so this is no certificate's. */
const LIST = "";
const AUTHORITY_DAYS = 3_650;
const CERTIFICATE_DAYS = 397;
const PURPOSES = { client: "clientAuth", server: "serverAuth" } as const;
const PURPOSE_IDS = { client: "1.3.6.1.5.5.7.3.2", server: "1.3.6.1.5.5.7.3.1" } as const;
const NEW_KEY = ["-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];

/** The list that belongs to an authority's certificate. */
export function revocationListOf(authority: string): string {
  return join(dirname(authority), "environment.crl");
}

/** The file with certificate and key together, as HAProxy reads it. */
export function combinedOf(files: CertificateFiles): string {
  return files.certificate.replace(/\.crt$/, ".pem");
}

/** Opens the authority of a folder; the first time it is made. */
export async function openAuthority(folder: string): Promise<Result<Authority>> {
  try {
    const store = new AuthorityFolder(folder);
    await store.open();
    return found({
      certificate: store.certificate,
      revocationList: store.revocationList,
      issue: (wish) => store.alone(wish.stem, () => store.issue(wish)),
      keep: (prefix, pairs) => store.alone(prefix, () => store.keep(prefix, pairs)),
      revoke: (stem) => store.alone(stem, () => store.alone(LIST, () => store.revoke(stem))),
    });
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "AuthorityUnavailable",
        what: `The certificate authority in ${folder} could not be opened`,
        fix: "Make the folder writable, or move it away so that a new authority is made.",
        where: folder,
      }),
    );
  }
}

class AuthorityFolder {
  readonly certificate: string;
  readonly revocationList: string;
  readonly #folder: string;
  readonly #key: string;
  readonly #configuration: string;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(folder: string) {
    this.#folder = folder;
    this.certificate = join(folder, "authority.crt");
    this.#key = join(folder, "authority.key");
    this.revocationList = revocationListOf(this.certificate);
    this.#configuration = join(folder, "openssl.cnf");
  }

  /** One after the other for one thing: the files of a stem, or the list and its number. */
  alone<Value>(thing: string, work: () => Promise<Value>): Promise<Value> {
    const next = (this.#last.get(thing) ?? Promise.resolve()).then(work);
    const settled = next.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(thing, settled);
    return next;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await chmod(this.#folder, 0o700);
    await writeFile(this.#configuration, configurationOf(this.#folder), { mode: 0o600 });
    if (!(await exists(this.certificate))) await this.#create();
    if (!(await exists(this.revocationList))) await this.#writeRevocationList();
  }

  async issue(wish: CertificateWish): Promise<Result<CertificateFiles>> {
    const wrong = whatIsWrong(wish);
    if (wrong !== undefined)
      return declined({
        code: "InvalidCertificateName",
        what: `No certificate can be made for ${wrong}`,
        fix: "Use a DNS name of letters, digits, hyphens and dots, like app.example.com.",
        where: wish.stem,
      });
    const files = this.#filesOf(wish.stem);
    try {
      if (!(await this.#serves(files, wish))) await this.#make(files, wish);
      return found(files);
    } catch (thrown) {
      return declined(
        problemOf(thrown, {
          code: "CertificateNotIssued",
          what: `No certificate could be made for ${wish.names.join(", ")}`,
          fix: "Check that the command openssl is installed and the folder is writable.",
          where: files.certificate,
        }),
      );
    }
  }

  async keep(
    prefix: string,
    pairs: readonly KeptPair[],
  ): Promise<Result<ReadonlyMap<string, CertificateFiles>>> {
    try {
      const kept = new Map<string, CertificateFiles>();
      for (const { stem, certificate, key } of pairs) {
        const files = this.#filesOf(stem);
        for (const [path, text] of [
          [files.key, key],
          [files.certificate, certificate],
        ] as const) {
          await writeFile(`${path}.new`, text, { mode: 0o600 });
          await putInPlace(`${path}.new`, path);
        }
        kept.set(stem, files);
      }
      for (const name of await readdir(this.#folder))
        if (name.startsWith(prefix) && !kept.has(name.replace(/\.(crt|key)$/, "")))
          await rm(join(this.#folder, name), { force: true });
      return found(kept);
    } catch (thrown) {
      return declined(
        problemOf(thrown, {
          code: "CertificateNotKept",
          what: "An uploaded certificate could not be kept",
          fix: "Check that the folder is writable and the disk has room.",
          where: this.#folder,
        }),
      );
    }
  }

  async revoke(stem: string): Promise<Result<"done">> {
    const { certificate } = this.#filesOf(stem);
    try {
      await openssl(["ca", "-config", this.#configuration, "-revoke", certificate]);
      await this.#writeRevocationList();
      await rm(certificate);
      return found("done");
    } catch (thrown) {
      return declined(
        problemOf(thrown, {
          code: "CertificateNotRevoked",
          what: `The certificate ${stem} could not be revoked`,
          fix: "Check the name; a certificate that was never issued cannot be revoked.",
          where: certificate,
        }),
      );
    }
  }

  #filesOf(stem: string): CertificateFiles {
    const path = join(this.#folder, stem);
    return { certificate: `${path}.crt`, key: `${path}.key`, authority: this.certificate };
  }

  async #create(): Promise<void> {
    const made = { key: `${this.#key}.new`, certificate: `${this.certificate}.new` };
    await openssl(
      [
        ["req", "-x509", ...NEW_KEY, "-config", this.#configuration],
        ["-keyout", made.key, "-out", made.certificate, "-days", String(AUTHORITY_DAYS)],
        ["-subj", "/O=OpenASE/CN=OpenASE authority"],
        ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:0"],
        ["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        ["-addext", "subjectKeyIdentifier=hash"],
      ].flat(),
    );
    await putInPlace(made.key, this.#key);
    await putInPlace(made.certificate, this.certificate);
    await writeFile(join(this.#folder, "index.txt"), "", { mode: 0o600 });
    await writeFile(join(this.#folder, "crlnumber"), "01\n", { mode: 0o600 });
    await rm(this.revocationList, { force: true });
  }

  async #writeRevocationList(): Promise<void> {
    const made = `${this.revocationList}.new`;
    await openssl(["ca", "-config", this.#configuration, "-gencrl", "-out", made]);
    await putInPlace(made, this.revocationList);
  }

  async #serves(files: CertificateFiles, wish: CertificateWish): Promise<boolean> {
    if (!(await exists(files.certificate)) || !(await exists(combinedOf(files)))) return false;
    const present = new X509Certificate(await readFile(files.certificate));
    const authority = new X509Certificate(await readFile(this.certificate));
    const shown = new Set((present.subjectAltName ?? "").split(", "));
    const daysLeft = (Date.parse(present.validTo) - Date.now()) / 86_400_000;
    return (
      daysLeft > RENEWAL_DAYS &&
      present.verify(authority.publicKey) &&
      wish.uses.every((use) => present.keyUsage?.includes(PURPOSE_IDS[use])) &&
      wish.names.every((name) => shown.has(`DNS:${name}`)) &&
      wish.addresses.every((address) => shown.has(`IP Address:${address}`))
    );
  }

  async #make(files: CertificateFiles, wish: CertificateWish): Promise<void> {
    const made = { key: `${files.key}.new`, certificate: `${files.certificate}.new` };
    const names = wish.names.map((name) => `DNS:${name}`);
    const addresses = wish.addresses.map((address) => `IP:${address}`);
    const subject = (wish.names[0] ?? wish.stem).slice(0, 64);
    await openssl(
      [
        ["req", "-x509", ...NEW_KEY, "-config", this.#configuration],
        ["-CA", this.certificate, "-CAkey", this.#key],
        ["-keyout", made.key, "-out", made.certificate, "-days", String(CERTIFICATE_DAYS)],
        ["-subj", `/O=OpenASE/CN=${subject}`],
        ["-addext", "basicConstraints=critical,CA:FALSE"],
        ["-addext", "keyUsage=critical,digitalSignature"],
        ["-addext", `extendedKeyUsage=${wish.uses.map((use) => PURPOSES[use]).join(",")}`],
        ["-addext", `subjectAltName=${[...names, ...addresses].join(",")}`],
        ["-addext", "subjectKeyIdentifier=hash"],
        ["-addext", "authorityKeyIdentifier=keyid"],
        ["-addext", `crlDistributionPoints=URI:${revocationAddress()}`],
      ].flat(),
    );
    const both = `${await readFile(made.certificate, "utf8")}${await readFile(made.key, "utf8")}`;
    const combined = `${combinedOf(files)}.new`;
    await writeFile(combined, both, { mode: 0o600 });
    // The certificate comes last: it is what tells that the set is whole.
    await putInPlace(made.key, files.key);
    await putInPlace(combined, combinedOf(files));
    await putInPlace(made.certificate, files.certificate);
  }
}

function whatIsWrong(wish: CertificateWish): string | undefined {
  if (!/^[a-z0-9][a-z0-9._-]{0,199}$/i.test(wish.stem)) return `a file called "${wish.stem}"`;
  if (wish.names.length + wish.addresses.length === 0) return "nothing: no name was given";
  const label = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
  const pattern = new RegExp(`^(\\*\\.)?${label}(\\.${label})*$`, "i");
  const name = wish.names.find((each) => each.length > 253 || !pattern.test(each));
  if (name !== undefined) return `the name "${name}"`;
  const address = wish.addresses.find((each) => !parseIpv4(each).ok);
  return address === undefined ? undefined : `the address "${address}"`;
}

function revocationAddress(): string {
  const host = DEPENDENCIES.find(({ conversation }) => conversation === "http")?.domainName;
  return `http://${host ?? "localhost"}${REVOCATION_PATH}`;
}

function configurationOf(folder: string): string {
  return [
    "[req]",
    "distinguished_name = subject",
    "prompt = no",
    "[subject]",
    "[ca]",
    "default_ca = environment",
    "[environment]",
    `database = ${join(folder, "index.txt")}`,
    `crlnumber = ${join(folder, "crlnumber")}`,
    `certificate = ${join(folder, "authority.crt")}`,
    `private_key = ${join(folder, "authority.key")}`,
    "default_md = sha256",
    // As long as the authority lives: a list that ran out would stop all management.
    `default_crl_days = ${AUTHORITY_DAYS}`,
    "",
  ].join("\n");
}

async function openssl(args: readonly string[]): Promise<void> {
  await promisify(execFile)("openssl", args, { timeout: 20_000 });
}

async function putInPlace(made: string, place: string): Promise<void> {
  await chmod(made, 0o600);
  await rename(made, place);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
