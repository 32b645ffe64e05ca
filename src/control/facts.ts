/**
 * The compiler's facts that are not resources, and what must exist on disk before hosts start:
 * key pairs, content folders, service tags.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";

import { currentContent, putContent, removeContent, type SiteFolder } from "../apps/content.ts";
import { detectRuntime } from "../apps/runtime.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { declined, found, type Result } from "../base/problem.ts";
import type { CertificateFiles } from "../blueprint/blueprint.ts";
import {
  certificateStem,
  certificateWishes,
  userOfSite,
} from "../blueprint/compile-environment.ts";
import { UPLOADED, uploadedStem } from "../blueprint/bindings.ts";
import { endpointStem, hasCertificate } from "../blueprint/compile.ts";
import type { Content, Wanted } from "../blueprint/wanted.ts";
import { DEPENDENCIES } from "../environment/dependencies.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { ServiceTags } from "../network/service-tags.ts";
import type { Authority, CertificateWish } from "../services/certificates.ts";
import type { Store } from "../store/store.ts";
import { readContent, storeContent } from "./records.ts";

export type Facts = Pick<Wanted, "tag" | "contentOf" | "certificate" | "incarnationOf" | "down">;

export type FactsOptions = {
  readonly store: Store;
  readonly authority: Authority;
  readonly tags: ServiceTags;
  /** Folder of all sites' content. */
  readonly contentFolder: string;
};

/** The key pair of the API itself. */
export const API_STEM = "api";
const INCARNATION = "incarnation";
/** Endpoints that are wanted down. */
const DOWN = "endpoint-down";
const LOOPBACK = "127.0.0.1" as Ipv4;

export class FactBook {
  readonly #options: FactsOptions;
  readonly #certificates = new Map<string, CertificateFiles>();
  #uploaded: string | undefined;

  constructor(options: FactsOptions) {
    this.#options = options;
  }

  /** Makes what the resources need and answers the facts. */
  async prepare(resources: readonly Resource[]): Promise<Result<Facts>> {
    const wishes = [
      {
        stem: certificateStem("client"),
        names: ["management.openase.test"],
        uses: ["client"] as const,
      },
      ...DEPENDENCIES.filter(hasCertificate).map((dependency) => ({
        stem: endpointStem(dependency),
        names: [dependency.domainName],
        uses: ["server"] as const,
      })),
      ...ofType(resources, "Microsoft.Web/hostingEnvironments")
        .flatMap(certificateWishes)
        .map((wish) => ({ ...wish, uses: ["server"] as const })),
    ];
    const issued = await Promise.all(
      wishes.map((wish) => this.#keyPair({ ...wish, addresses: [] })),
    );
    for (const one of issued) if (!one.ok) return one;
    const kept = await this.#keepUploaded(ofType(resources, "Microsoft.Web/certificates"));
    if (!kept.ok) return kept;
    const sites = ofType(resources, "Microsoft.Web/sites");
    const contents = new Map<string, Content>();
    for (const site of sites) {
      const content = await this.#contentOf(site.key);
      if (!content.ok) return content;
      contents.set(site.key, content.value);
    }
    return found({
      tag: (name) => {
        const { canonical, prefixes } = this.#options.tags;
        // Known and empty is a tag of IPv6 prefixes alone; unknown is another matter.
        return canonical(name) === undefined ? undefined : prefixes(name);
      },
      certificate: (stem) =>
        mustHave(this.#certificates.get(stem), `the key pair ${stem} was made`),
      down: new Set(this.#options.store.list(DOWN, "").map(({ key }) => key)),
      incarnationOf: (host) => this.#options.store.get<number>(INCARNATION, host)?.value ?? 0,
      contentOf: (key) => mustHave(contents.get(key), `the content of ${key} was prepared`),
    });
  }

  /** The key pair the API shows on loopback. */
  async apiCertificate(): Promise<Result<CertificateFiles>> {
    return this.#options.authority.issue({
      stem: API_STEM,
      names: ["localhost"],
      addresses: [LOOPBACK],
      uses: ["server"],
    });
  }

  /** The pair that management shows to environments. */
  client(): CertificateFiles | undefined {
    return this.#certificates.get(certificateStem("client"));
  }

  /** Files of uploaded certificates, and of no others. */
  async #keepUploaded(
    certificates: readonly ResourceOf<"Microsoft.Web/certificates">[],
  ): Promise<Result<"kept">> {
    const pairs = certificates.flatMap((certificate) =>
      certificate.pair === undefined
        ? []
        : [{ stem: uploadedStem(certificate), ...certificate.pair }],
    );
    const now = pairs.map(({ stem }) => stem).toSorted();
    if (String(now) === this.#uploaded) return found("kept");
    const kept = await this.#options.authority.keep(UPLOADED, pairs);
    if (!kept.ok) return kept;
    for (const [stem, files] of kept.value) this.#certificates.set(stem, files);
    this.#uploaded = String(now);
    return found("kept");
  }

  async #keyPair(wish: CertificateWish): Promise<Result<CertificateFiles>> {
    const known = this.#certificates.get(wish.stem);
    if (known !== undefined) return found(known);
    const issued = await this.#options.authority.issue(wish);
    if (issued.ok) this.#certificates.set(wish.stem, issued.value);
    return issued;
  }

  async #contentOf(siteKey: string): Promise<Result<Content>> {
    const stored = readContent(this.#options.store, siteKey);
    if (stored !== undefined) return found(withRestarts(stored.content, stored.restarts));
    const place = this.#folderOf(siteKey);
    if (!place.ok) return place;
    const current = await currentContent(place.value.folder);
    if (!current.ok) return current;
    return this.#remember(siteKey, current.value);
  }

  /** Unpacks a zip as a site's content; what ran before goes on until the loop has turned. */
  async deploy(siteKey: string, zip: string): Promise<Result<"done">> {
    const place = this.#folderOf(siteKey);
    if (!place.ok) return place;
    const put = await putContent(place.value.folder, { zip });
    if (!put.ok) return put;
    const remembered = await this.#remember(siteKey, put.value);
    return remembered.ok ? found("done") : remembered;
  }

  /** Starts every instance of a site anew with the next turn. */
  restart(siteKey: string): Result<"done"> {
    return this.#options.store.transaction((transaction) => {
      const stored = readContent(transaction, siteKey);
      if (stored === undefined)
        return declined({
          code: "ResourceNotFound",
          what: "This site has no instances to restart",
          fix: "Create it first.",
          where: siteKey,
        });
      storeContent(transaction, siteKey, { ...stored, restarts: stored.restarts + 1 });
      return found("done" as const);
    });
  }

  /** The host is made anew with the next turn. */
  reboot(host: string): void {
    this.#options.store.transaction((transaction) => {
      const before = transaction.get<number>(INCARNATION, host)?.value ?? 0;
      transaction.put(INCARNATION, host, before + 1);
      return found("rebooted");
    });
  }

  /** Ends an endpoint of the world's internet, or starts it again, with the next turn. */
  turnEndpoint(name: string, to: "down" | "up"): Result<"done"> {
    if (!DEPENDENCIES.some((one) => one.name === name))
      return declined({
        code: "EndpointNotFound",
        what: `the world's internet has no endpoint "${name}"`,
        fix: `Choose one of: ${DEPENDENCIES.map((one) => one.name).join(", ")}.`,
        where: name,
      });
    return this.#options.store.transaction((transaction) => {
      if (to === "down") transaction.put(DOWN, name, true);
      else transaction.remove(DOWN, name);
      return found("done" as const);
    });
  }

  async forget(siteKey: string): Promise<void> {
    const place = this.#folderOf(siteKey);
    if (place.ok) await removeContent(place.value.folder);
    this.#options.store.transaction((transaction) => {
      transaction.remove("content", siteKey);
      transaction.remove("site-number", siteKey);
      return found("forgotten");
    });
  }

  async #remember(
    siteKey: string,
    { folder, version }: { readonly folder: string; readonly version: string },
  ): Promise<Result<Content>> {
    const runtime = (await detectRuntime(folder)).kind;
    const number = this.#siteNumber(siteKey);
    if (!number.ok) return number;
    const content: Content = { folder, version, runtime, number: number.value };
    return this.#options.store.transaction((transaction) => {
      const restarts = readContent(transaction, siteKey)?.restarts ?? 0;
      storeContent(transaction, siteKey, { content, restarts });
      return found(withRestarts(content, restarts));
    });
  }

  /**
   * Where a site's content lies, and its number: small, its own while it lives; user id, port and
   * folder are made of it, so that no name of a group can be a bad one for a folder.
   */
  #folderOf(siteKey: string): Result<{ readonly folder: SiteFolder; readonly number: number }> {
    const number = this.#siteNumber(siteKey);
    if (!number.ok) return number;
    const name = siteKey.split("/").at(-1) ?? "";
    const folder: SiteFolder = {
      root: this.#options.contentFolder,
      siteKey: `${number.value}-${name}`,
      user: userOfSite(number.value),
    };
    return found({ folder, number: number.value });
  }

  #siteNumber(siteKey: string): Result<number> {
    const known = this.#options.store.get<number>("site-number", siteKey)?.value;
    if (known !== undefined) return found(known);
    return this.#options.store.transaction((transaction) => {
      const used = new Set(transaction.list<number>("site-number", "").map(({ value }) => value));
      let number = 1;
      while (used.has(number)) number += 1;
      transaction.put("site-number", siteKey, number);
      return found(number);
    });
  }
}

/** Removes everything of a home; for `ase down --purge`. */
export async function purgeHome(home: string): Promise<void> {
  for (const part of [
    "state",
    "content",
    "logs",
    "pki",
    "run",
    "cache",
    "uploads",
    "flow-logs",
    "az",
  ])
    await rm(join(home, part), { recursive: true, force: true });
}

function withRestarts(content: Content, restarts: number): Content {
  return restarts === 0
    ? content
    : { ...content, version: `${content.version} restart ${restarts}` };
}

function ofType<Type extends Resource["type"]>(
  resources: readonly Resource[],
  type: Type,
): readonly ResourceOf<Type>[] {
  return resources.filter((resource): resource is ResourceOf<Type> => resource.type === type);
}

function mustHave<Value>(value: Value | undefined, promise: string): Value {
  if (value === undefined) throw new Error(`broken promise: ${promise}`);
  return value;
}
