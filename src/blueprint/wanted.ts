/**
 * What the compiler reads: the declared resources and the facts that are not resources.
 *
 * All of it is given; nothing is looked up here.
 */
import { keyOf } from "../arm/ids.ts";
import type { Resource, ResourceOf, ResourceType } from "../arm/resources.ts";
import type { Cidr } from "../network/prefix.ts";
import type { App, CertificateFiles } from "./blueprint.ts";
import type { Layout } from "./layout.ts";

export type Wanted = {
  readonly resources: readonly Resource[];
  /** IPv4 prefixes of a published service tag; undefined: no such tag. */
  readonly tag: (name: string) => readonly Cidr[] | undefined;
  /** Environments (by key) that take part: `false` for a suspended one. */
  readonly runs: (environmentKey: string) => boolean;
  readonly contentOf: (siteKey: string) => Content;
  /** Files of a key pair by its stem; see `certificateWishes`. */
  readonly certificate: (stem: string) => CertificateFiles;
  /** Counts how often a reboot of the host was asked for. */
  readonly incarnationOf: (hostName: string) => number;
  /** Front ends (by host name) that do not answer the load balancer's keep-alive. */
  readonly silent: ReadonlySet<string>;
  /** Hosts that get nothing new and finish what they have: they are about to be made anew. */
  readonly away: ReadonlySet<string>;
  /** Endpoints of the world's internet (by name) that are down: somebody tries what happens. */
  readonly down: ReadonlySet<string>;
  /** Which instances stand; undefined: the environment begins, with all that are wanted. */
  readonly layoutOf: (environmentKey: string) => Layout | undefined;
};

export type Content = {
  readonly folder: string;
  readonly version: string;
  readonly runtime: App["runtime"]["kind"];
  /** 1.. and the site's own while it lives: its user id and port are made of it. */
  readonly number: number;
};

/** Declared resources by key and by type. */
export class Declared {
  readonly #byKey: ReadonlyMap<string, Resource>;

  constructor(resources: readonly Resource[]) {
    this.#byKey = new Map(resources.map((resource) => [resource.key, resource]));
  }

  all<Type extends ResourceType>(type: Type): readonly ResourceOf<Type>[] {
    const has = (resource: Resource): resource is ResourceOf<Type> => resource.type === type;
    return [...this.#byKey.values()].filter(has).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  find<Type extends ResourceType>(
    type: Type,
    id: string | undefined,
  ): ResourceOf<Type> | undefined {
    if (id === undefined) return undefined;
    const found = this.#byKey.get(keyOf(id));
    return found?.type === type ? (found as ResourceOf<Type>) : undefined;
  }
}
