/**
 * What service endpoints of one network lead to: a namespace with the services' own addresses.
 *
 * Nothing is translated on the way, so that a service sees the private address; and since it is
 * of one network, it is known which one that is of. Who listens there is not known here.
 *
 * @article Service Endpoints
 */
import { parseCidr, type Ipv4 } from "../../../network/prefix.ts";
import { EDGE_GROUP } from "./gates.ts";
import type { Space } from "./kernel.ts";
import { closeNamespace, createNamespace, inNamespace, type Namespace } from "./libc.ts";
import { MAIN_TABLE, Rtnetlink } from "./netlink.ts";
import { spaceOf } from "./space.ts";
import { applySettings } from "./sysctl.ts";

const TO_NETWORK_LINK = 2;

export class Backbone {
  /** Index of the router's end. */
  readonly link: number;
  readonly #home: Namespace;
  readonly #namespace: Namespace;
  readonly #routes: Rtnetlink;
  readonly #addresses = new Set<Ipv4>();

  constructor(
    home: Namespace,
    router: { readonly namespace: Namespace; readonly routes: Rtnetlink },
    link: number,
  ) {
    this.#home = home;
    this.link = link;
    this.#namespace = createNamespace(home);
    this.#routes = inNamespace(this.#namespace, home, () => {
      applySettings("host");
      return new Rtnetlink();
    });
    router.routes.addPair(
      { index: link, name: "services", group: EDGE_GROUP },
      { index: TO_NETWORK_LINK, name: "vnet", group: 0, namespace: this.#namespace },
    );
    router.routes.linkUp(link);
    router.routes.flush();
    this.#routes.loopbackUp();
    this.#routes.linkUp(TO_NETWORK_LINK);
    const everywhere = parseCidr("0.0.0.0/0");
    if (!everywhere.ok) throw new Error("broken promise: everything is a prefix");
    this.#routes.putRoute({
      prefix: everywhere.value,
      kind: "unicast",
      table: MAIN_TABLE,
      link: TO_NETWORK_LINK,
    });
    this.#routes.flush();
    router.routes.waitForLink(link);
  }

  spaceAt(address: Ipv4): Space {
    if (!this.#addresses.has(address)) this.#routes.addAddress(address);
    this.#routes.flush(["EEXIST"]);
    this.#addresses.add(address);
    return spaceOf(this.#namespace, this.#home, address);
  }

  forget(address: Ipv4): void {
    if (!this.#addresses.delete(address)) return;
    this.#routes.removeAddress(address);
    this.#routes.flush(["EADDRNOTAVAIL"]);
  }

  close(): void {
    this.#routes.close();
    closeNamespace(this.#namespace);
  }
}
