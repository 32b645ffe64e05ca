/**
 * What TLS needs of a key pair's files: options for a server, a ready context for a client.
 *
 * Making a context costs more than a handshake and probes need the same ones all the time, so a
 * client's is kept while its files stay as they are. Who is trusted is the authority's.
 */
import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

import { declined, found, problemOf, type Result } from "../base/problem.ts";
import type { CertificateFiles } from "../blueprint/blueprint.ts";
import { revocationListOf } from "./certificates.ts";

/** An environment has one; those used longest ago are made anew. */
const MOST_KEPT = 64;
const kept = new Map<string, SecureContext>();

/** The files of a server that checks its clients, the revocation list among them. */
export async function readContext(files: CertificateFiles): Promise<Result<SecureContextOptions>> {
  try {
    const [cert, key, ca, crl] = await Promise.all(
      [files.certificate, files.key, files.authority, revocationListOf(files.authority)].map(
        (path) => readFile(path),
      ),
    );
    return found({ cert, key, ca, crl, minVersion: "TLSv1.2" });
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "CertificateUnreadable",
        what: `The certificate ${files.certificate} or one of its files could not be read`,
        fix: "Let the authority issue it again.",
        where: files.certificate,
      }),
    );
  }
}

/** Shows the certificate and trusts the authority; revocation is for the server to check. */
export async function clientContext(files: CertificateFiles): Promise<Result<SecureContext>> {
  const key = await stampOf(files);
  const present = key === undefined ? undefined : kept.get(key);
  if (present !== undefined) return found(present);
  const read = await readContext(files);
  if (!read.ok) return read;
  const { crl: _, ...own } = read.value;
  const context = createSecureContext(own);
  const oldest = kept.keys().next();
  if (kept.size >= MOST_KEPT && !oldest.done) kept.delete(oldest.value);
  if (key !== undefined) kept.set(key, context);
  return found(context);
}

/** Changes when one of the files was replaced. */
async function stampOf({
  certificate,
  key,
  authority,
}: CertificateFiles): Promise<string | undefined> {
  const paths = [certificate, key, authority];
  const stats = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  if (stats.includes(undefined)) return undefined;
  return paths
    .map((path, index) => `${path} ${stats[index]?.ino} ${stats[index]?.mtimeMs}`)
    .join("\n");
}
