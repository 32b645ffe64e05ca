/**
 * Opens the kernel side: the namespace this process stands in becomes the world.
 *
 * Every call is in force when it returns; what the kernel refuses becomes a Problem here.
 */
import type { Connections, Host, Internet, Network } from "../../../blueprint/blueprint.ts";
import type { FlowBook } from "../../../blueprint/seen-flows.ts";
import { declined, found, problemOf, type Result } from "../../../base/problem.ts";
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import type { Cidr, Ipv4 } from "../../../network/prefix.ts";
import type { Kernel, Space, Watch, WatchedPacket } from "./kernel.ts";
import { currentNamespace, type Namespace } from "./libc.ts";
import { Wiring } from "./connections.ts";
import { Rtnetlink } from "./netlink.ts";
import { NetworkRouter } from "./router.ts";
import { spaceOf } from "./space.ts";
import type { RouterWatch } from "./trace.ts";
import { applySettings } from "./sysctl.ts";

export function openKernel(): Result<Kernel> {
  return attempt("open the world", "", () => kernelOver(new World()));
}

function kernelOver(world: World): Kernel {
  return {
    putTags: (tags) => attempt("put service tags", "", () => world.putTags(tags)),
    putInternet: (internet) => attempt("put the internet", "", () => world.putInternet(internet)),
    putNetwork: (network) => attempt("put a network", network.id, () => world.putNetwork(network)),
    putTranslations: (id, translations) =>
      attempt("put load balancers", id, () => {
        world.router(id).putTranslations(translations);
        return "done" as const;
      }),
    putConnections: (connections) =>
      attempt("put connections", "", () => world.putConnections(connections)),
    removeNetwork: (id) => attempt("remove a network", id, () => world.removeNetwork(id)),
    createHost: (host) => attempt("create a host", host.name, () => world.createHost(host)),
    removeHost: (name) => attempt("remove a host", name, () => world.removeHost(name)),
    space: (of) => world.space(of),
    readDenied: (id) => attempt("read counters", id, () => world.router(id).readDenied()),
    watch: (packet, networks) => attempt("watch a packet", "", () => world.watch(packet, networks)),
    tellFlows: (book, now) =>
      attempt("read flows", "", () => {
        world.tellFlows(book, now);
        return "done" as const;
      }),
    close: () => world.close(),
  };
}

class World {
  readonly #home: Namespace = currentNamespace();
  readonly #routes: Rtnetlink;
  readonly #routers = new Map<string, NetworkRouter>();
  readonly #outside = new Map<string, { readonly host: Host; readonly space: Space }>();
  #tags: Readonly<Record<string, readonly Cidr[]>> = {};
  #own: readonly Ipv4[] = [];
  #client: Ipv4 | undefined;
  readonly #wiring: Wiring;
  /** Never given twice: the kernel takes its time to take away what is removed. */
  #lastLink = 0;

  constructor() {
    applySettings("router");
    this.#routes = new Rtnetlink();
    this.#routes.loopbackUp();
    this.#routes.flush();
    this.#wiring = new Wiring(this.#home, this.#routes, (id) => this.#routers.get(id));
  }

  router(id: string): NetworkRouter {
    const router = this.#routers.get(id);
    if (router === undefined) throw new Error(`the network ${id} does not stand`);
    return router;
  }

  /** A tag that rules in force still name keeps its meaning until these rules change. */
  putTags(tags: Readonly<Record<string, readonly Cidr[]>>): "done" {
    const routers = [...this.#routers.values()];
    const named = new Set(routers.flatMap((router) => [...router.tagsNamed()]));
    const kept = Object.entries(this.#tags).filter(([tag]) => named.has(tag));
    this.#tags = { ...Object.fromEntries(kept), ...tags };
    for (const router of routers) router.putTags(this.#tags);
    return "done";
  }

  putInternet({ clientAddress, managementAddresses }: Internet): "done" {
    const wanted = [clientAddress, ...managementAddresses];
    for (const address of this.#own)
      if (!wanted.includes(address)) this.#routes.removeAddress(address);
    for (const address of wanted)
      if (!this.#own.includes(address)) this.#routes.addAddress(address);
    this.#routes.flush(["EADDRNOTAVAIL", "EEXIST"]);
    this.#own = wanted;
    this.#client = clientAddress;
    return "done";
  }

  putNetwork(network: Network): "done" {
    const router =
      this.#routers.get(network.id) ??
      new NetworkRouter(this.#home, this.#routes, (this.#lastLink += 1));
    this.#routers.set(network.id, router);
    router.put(network, this.#tags, this.#client);
    this.#wiring.wire();
    return "done";
  }

  putConnections(connections: Connections): "done" {
    this.#wiring.put(connections, this.#client);
    return "done";
  }

  removeNetwork(id: string): "done" {
    const router = this.#routers.get(id);
    if (router === undefined) return "done";
    this.#wiring.forgetNetwork(router);
    this.#routers.delete(id);
    router.close();
    this.#wiring.wire();
    return "done";
  }

  createHost(host: Host): Space {
    const known = this.#find(host.name);
    if (known !== undefined && samePlace(known.host, host)) {
      if ("network" in host.place) this.router(host.place.network).change(host);
      return known.space;
    }
    if (known !== undefined) this.removeHost(host.name);
    if (host.place.kind === "site") return this.#wiring.attach(host);
    if ("network" in host.place) {
      const attached = this.router(host.place.network).attach(host);
      if (host.place.kind === "subnet") this.#wiring.wire();
      return attached;
    }
    const { address } = host.place;
    if (address !== PLATFORM_ADDRESS) {
      this.#routes.addAddress(address);
      this.#routes.flush(["EEXIST"]);
    }
    const space = spaceOf(this.#home, this.#home, address);
    this.#outside.set(host.name, { host, space });
    return space;
  }

  removeHost(name: string): "done" {
    const outside = this.#outside.get(name);
    if (outside !== undefined) {
      this.#outside.delete(name);
      this.#routes.removeAddress(outside.host.place.address);
      for (const router of this.#routers.values()) router.forgetService(outside.host.place.address);
      this.#routes.flush(["EADDRNOTAVAIL"]);
      return "done";
    }
    if (this.#wiring.detach(name)) return "done";
    for (const router of this.#routers.values())
      if (router.detach(name)) {
        this.#wiring.wire();
        return "done";
      }
    return "done";
  }

  space(of: Parameters<Kernel["space"]>[0]): Space | undefined {
    switch (of.kind) {
      case "internet":
        return spaceOf(this.#home, this.#home, of.address ?? this.#client);
      case "host":
        return this.#find(of.name)?.space;
      case "service":
        return this.#routers.get(of.network)?.service(of.address as Ipv4);
      case "load-balancer":
        return this.#routers.get(of.network)?.platform;
    }
  }

  watch(packet: WatchedPacket, networks: readonly string[]): Watch {
    const rank = (id: string) => {
      const at = networks.indexOf(id);
      return at === -1 ? networks.length : at;
    };
    const routers = [...this.#routers].toSorted(([one], [other]) => rank(one) - rank(other));
    const watches: RouterWatch[] = [];
    const close = () => watches.forEach((watch) => watch.close());
    try {
      for (const [, router] of routers) watches.push(router.watch(packet));
    } catch (thrown) {
      close();
      throw thrown;
    }
    return { read: () => watches.flatMap((watch) => watch.read()), close };
  }

  tellFlows(book: FlowBook, now: number): void {
    for (const router of this.#routers.values()) router.tellFlows(book, now);
  }

  #find(name: string): { readonly host: Host; readonly space: Space } | undefined {
    const outside = this.#outside.get(name);
    const known = outside ?? this.#wiring.find(name);
    if (known !== undefined) return known;
    for (const router of this.#routers.values()) {
      const attached = router.find(name);
      if (attached !== undefined) return attached;
    }
    return undefined;
  }

  close(): void {
    this.#wiring.close();
    for (const router of this.#routers.values()) router.close();
    this.#routers.clear();
    this.#routes.close();
  }
}

function samePlace(one: Host, other: Host): boolean {
  return (
    JSON.stringify([one.place, one.forwards]) === JSON.stringify([other.place, other.forwards])
  );
}

function attempt<Value>(what: string, where: string, work: () => Value): Result<Value> {
  try {
    return found(work());
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "KernelRefused",
        what: `The kernel did not ${what}${where === "" ? "" : `: ${where}`}`,
        fix: "See the cause. Without root, user namespaces must be allowed; nftables must be installed.",
        ...(where === "" ? {} : { where }),
      }),
    );
  }
}
