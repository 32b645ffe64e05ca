/**
 * A VPN or ExpressRoute gateway: a namespace between its network's router and sites.
 *
 * The tunnel is a link; nothing is encrypted, and nothing filtered. What comes from the network
 * goes to sites only, what comes from sites into the network only.
 */
import { parseCidr, type Cidr } from "../../../network/prefix.ts";
import { closeNamespace, createNamespace, inNamespace, type Namespace } from "./libc.ts";
import { Rtnetlink, type KernelRoute } from "./netlink.ts";
import { applySettings } from "./sysctl.ts";

export const TO_NETWORK = "vnet";
export const TO_NETWORK_LINK = 2;
const FIRST_SITE_LINK = 10;
/** Tables and rules: from the network, from anybody else. */
const OUTWARD = { table: 100, priority: 100 };
const INWARD = { table: 200, priority: 200 };

export class GatewaySpace {
  readonly namespace: Namespace;
  readonly routes: Rtnetlink;
  #standing: readonly KernelRoute[] = [];
  #nextLink = FIRST_SITE_LINK;

  constructor(home: Namespace) {
    this.namespace = createNamespace(home);
    this.routes = inNamespace(this.namespace, home, () => {
      applySettings("router");
      return new Rtnetlink();
    });
    this.routes.loopbackUp();
    this.routes.addRule({ ...OUTWARD, from: TO_NETWORK });
    this.routes.addRule({ ...INWARD, mark: 0 });
    for (const { table } of [OUTWARD, INWARD])
      this.routes.putRoute({ prefix: everywhere(), kind: "unreachable", table });
    this.routes.flush();
  }

  freeLink(): number {
    return (this.#nextLink += 1);
  }

  put(of: {
    readonly outward: readonly { readonly prefix: Cidr; readonly link: number }[];
    readonly inward: readonly Cidr[];
  }): void {
    const nowhere = [OUTWARD, INWARD].map(({ table }): KernelRoute => ({
      prefix: everywhere(),
      kind: "unreachable",
      table,
    }));
    const routes: readonly KernelRoute[] = [
      ...of.outward.map(({ prefix, link }) => unicast(prefix, OUTWARD.table, link)),
      ...of.inward.map((prefix) => unicast(prefix, INWARD.table, TO_NETWORK_LINK)),
    ];
    const stays = (old: KernelRoute) =>
      routes.some(({ prefix, table }) => prefix === old.prefix && table === old.table);
    for (const old of this.#standing) if (!stays(old)) this.routes.removeRoute(old);
    for (const route of [...nowhere.filter((one) => !stays(one)), ...routes])
      this.routes.putRoute(route);
    this.routes.flush(["ESRCH"]);
    this.#standing = routes;
  }

  close(): void {
    this.routes.close();
    closeNamespace(this.namespace);
  }
}

function unicast(prefix: Cidr, table: number, link: number): KernelRoute {
  return { prefix, kind: "unicast", table, link };
}

function everywhere(): Cidr {
  const parsed = parseCidr("0.0.0.0/0");
  if (!parsed.ok) throw new Error("broken promise: everything is a prefix");
  return parsed.value;
}
