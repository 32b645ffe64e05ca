/**
 * A site on premises: one namespace that is its router and holds the addresses of its hosts.
 *
 * Its own way to the world translates what leaves and lets nothing in; gateways are linked to it
 * by others. What leaves without having come in is invalid, so that an asymmetric path breaks.
 */
import type { Site } from "../../../blueprint/blueprint.ts";
import { parseCidr, type Cidr, type Ipv4 } from "../../../network/prefix.ts";
import type { Space } from "./kernel.ts";
import { closeNamespace, createNamespace, inNamespace, type Namespace } from "./libc.ts";
import { hostPrefix, MAIN_TABLE, Rtnetlink, type KernelRoute } from "./netlink.ts";
import { Nft } from "./nft.ts";
import { spaceOf } from "./space.ts";
import { applySettings, trackStrictly } from "./sysctl.ts";

const TO_WORLD = "inet";
const TO_WORLD_LINK = 2;
const FIRST_GATEWAY_LINK = 10;

export class SiteSpace {
  readonly namespace: Namespace;
  readonly routes: Rtnetlink;
  readonly #home: Namespace;
  readonly #world: Rtnetlink;
  readonly #worldLink: number;
  readonly #nft: Nft;
  readonly #spaces = new Map<string, Space>();
  #site: Site | undefined;
  #ways: readonly KernelRoute[] = [];
  #nextLink = FIRST_GATEWAY_LINK;

  /** @param worldLink index of the world's end; nobody else's */
  constructor(home: Namespace, world: Rtnetlink, worldLink: number) {
    this.#home = home;
    this.#world = world;
    this.#worldLink = worldLink;
    this.namespace = createNamespace(home);
    [this.routes, this.#nft] = inNamespace(this.namespace, home, () => {
      applySettings("router");
      const nft = new Nft();
      nft.run(closedSite());
      trackStrictly();
      return [new Rtnetlink(), nft] as const;
    });
    world.addPair(
      { index: worldLink, name: `s${worldLink}`, group: 0 },
      { index: TO_WORLD_LINK, name: TO_WORLD, group: 0, namespace: this.namespace },
    );
    world.linkUp(worldLink);
    world.flush();
    this.routes.loopbackUp();
    this.routes.linkUp(TO_WORLD_LINK);
    this.routes.putRoute({ ...main(prefixOf("0.0.0.0/0")), link: TO_WORLD_LINK });
    this.routes.flush();
    world.waitForLink(worldLink);
  }

  /** @param source of what the world itself sends to the site's public address */
  put(site: Site, source: Ipv4 | undefined): void {
    const before = this.#site;
    if (before?.publicAddress !== site.publicAddress) {
      if (before !== undefined) this.#world.removeRoute(this.#routeTo(before.publicAddress));
      this.#world.putRoute({
        ...this.#routeTo(site.publicAddress),
        ...(source === undefined ? {} : { source }),
      });
      this.#world.flush(["ESRCH"]);
      this.#nft.run(ownSource(site.publicAddress));
    }
    this.#site = site;
  }

  /** Ways into networks by the links of gateways; other private space is nowhere. */
  putWays(ways: readonly { readonly prefix: Cidr; readonly link: number }[]): void {
    const routes = [
      ...PRIVATE.filter((space) => !ways.some(({ prefix }) => prefix === space)).map(
        (prefix): KernelRoute => ({ prefix, kind: "unreachable", table: MAIN_TABLE }),
      ),
      ...ways.map(({ prefix, link }) => ({ ...main(prefix), link })),
    ];
    for (const route of routes) this.routes.putRoute(route);
    for (const old of this.#ways)
      if (!routes.some(({ prefix }) => prefix === old.prefix)) this.routes.removeRoute(old);
    this.routes.flush(["ESRCH"]);
    this.#ways = routes;
  }

  freeLink(): number {
    return (this.#nextLink += 1);
  }

  attach(name: string, address: Ipv4): Space {
    this.routes.addAddress(address);
    this.routes.flush(["EEXIST"]);
    const space = spaceOf(this.namespace, this.#home, address);
    this.#spaces.set(name, space);
    return space;
  }

  detach(name: string, address: Ipv4): void {
    this.#spaces.delete(name);
    this.routes.removeAddress(address);
    this.routes.flush(["EADDRNOTAVAIL"]);
  }

  #routeTo(address: Ipv4): KernelRoute {
    return { ...main(hostPrefix(address)), link: this.#worldLink };
  }

  close(): void {
    if (this.#site !== undefined) this.#world.removeRoute(this.#routeTo(this.#site.publicAddress));
    this.#world.flush(["ESRCH", "ENODEV"]);
    this.routes.close();
    this.#nft.close();
    closeNamespace(this.namespace);
  }
}

/** The site before its first link: nothing comes in from the world that was not asked for. */
function closedSite(): string {
  return `
table ip site {
  chain sources { type nat hook postrouting priority srcnat; policy accept; }
  chain passing {
    type filter hook forward priority filter; policy accept;
    # Between gateways it is a plain router.
    iifname != "${TO_WORLD}" oifname != "${TO_WORLD}" accept
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "${TO_WORLD}" drop
  }
  chain arriving {
    type filter hook input priority filter; policy accept;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "${TO_WORLD}" drop
  }
}`;
}

function ownSource(address: Ipv4): string {
  return [
    "flush chain ip site sources",
    `add rule ip site sources oifname "${TO_WORLD}" snat to ${address}`,
  ].join("\n");
}

const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(prefixOf);

function main(prefix: Cidr): KernelRoute {
  return { prefix, kind: "unicast", table: MAIN_TABLE };
}

function prefixOf(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(`broken promise: ${text} is a prefix`);
  return parsed.value;
}
