/**
 * Watches single packets on their way through a router: nf_tables tells of every rule they meet.
 *
 * A table of its own marks them, and is gone with the watch. Which rule of ours a rule of the
 * kernel is, and who stands behind a link, the router says.
 */
import type { SeenStep } from "../../../blueprint/seen.ts";
import { numberToIpv4, type Ipv4 } from "../../../network/prefix.ts";
import type { SecurityRule } from "../../../network/rule.ts";
import { closedBy } from "./gates.ts";
import type { WatchedPacket } from "./kernel.ts";
import { inNamespace, type Namespace } from "./libc.ts";
import { NetfilterSocket, type Heard } from "./netfilter.ts";
import { attributesOf, type Attributes } from "./netlink-writer.ts";
import { Nft } from "./nft.ts";

const GROUP_TRACE = 9;
const TRACE = (10 << 8) | 17;
const ACCEPT = 1;
const DROP = 0;

/** What a router knows of itself. */
export type Told = {
  readonly network: string;
  readonly ruleOf: (
    chain: string,
    handle: bigint,
  ) => { readonly at: string; readonly rule: SecurityRule } | undefined;
  readonly behind: (link: number) => { readonly by: string; readonly address?: string };
};

export class RouterWatch {
  readonly #netfilter: NetfilterSocket;
  readonly #nft: Nft;
  readonly #table: string;
  readonly #told: Told;

  constructor(
    ground: { readonly namespace: Namespace; readonly home: Namespace },
    told: Told,
    packet: WatchedPacket,
  ) {
    this.#told = told;
    this.#table = `ip watched_${packet.protocol.toLowerCase()}_${packet.fromPort}`;
    [this.#netfilter, this.#nft] = inNamespace(ground.namespace, ground.home, () => {
      const netfilter = new NetfilterSocket();
      netfilter.listen(GROUP_TRACE);
      return [netfilter, new Nft()] as const;
    });
    this.#nft.run(marking(this.#table, packet));
  }

  /** Everything the packet met here so far. */
  read(): readonly SeenStep[] {
    const { messages } = this.#netfilter.heard();
    const told = this.#told;
    let header: Header | undefined;
    return messages
      .filter(({ type }) => type === TRACE)
      .flatMap(({ body }: Heard) => {
        const event = attributesOf(body);
        // Only the first word on a packet in each base chain shows the packet itself.
        header = headerOf(event) ?? header;
        return stepOf(event, header, told);
      });
  }

  close(): void {
    try {
      this.#nft.run(`delete table ${this.#table}`);
    } finally {
      this.#nft.close();
      this.#netfilter.close();
    }
  }
}

/** The first packet of a flow only: what follows is waved through by its connection. */
function marking(table: string, { protocol, fromPort }: WatchedPacket): string {
  const first = protocol === "Tcp" ? "tcp flags & (syn | ack) == syn " : "";
  const rule = `${first}${protocol.toLowerCase()} sport ${fromPort} meta nftrace set 1`;
  return `
table ${table} {
  chain came_in { type filter hook prerouting priority raw; policy accept; ${rule}; }
  chain began_here { type filter hook output priority raw; policy accept; ${rule}; }
}`;
}

type Header = {
  readonly from: Ipv4;
  readonly to: Ipv4;
  readonly toPort: number;
  readonly out: number | undefined;
};

function headerOf(event: Attributes): Header | undefined {
  const network = event.get(8);
  if (network === undefined || network.length < 20) return undefined;
  const transport = event.get(9);
  return {
    from: numberToIpv4(network.readUInt32BE(12)),
    to: numberToIpv4(network.readUInt32BE(16)),
    toPort: transport === undefined || transport.length < 4 ? 0 : transport.readUInt16BE(2),
    out: event.get(12)?.readUInt32BE(),
  };
}

function stepOf(
  event: Attributes,
  header: Header | undefined,
  { network, ruleOf, behind }: Told,
): readonly SeenStep[] {
  const chain = event.get(2)?.toString("latin1").replace(/\0$/, "") ?? "";
  const handle = event.get(3)?.readBigUInt64BE();
  const verdict = event.get(5) ?? Buffer.alloc(0);
  const code = attributesOf(verdict).get(1)?.readInt32BE() ?? event.get(16)?.readUInt32BE();
  const decided = handle === undefined ? undefined : ruleOf(chain, handle);
  if (decided !== undefined) {
    const { at, rule } = decided;
    const { access, direction, group, name, priority } = rule;
    return [{ kind: "rule", at, direction, rule: name, priority, group, access }];
  }
  if (code === DROP) return [{ kind: "dropped", network, why: closedBy(chain) }];
  if (code !== ACCEPT || header === undefined || header.out === undefined) return [];
  if (chain !== "gates" && chain !== "from_platform") return [];
  const { by, address } = behind(header.out);
  const { from, to, toPort } = header;
  return [
    {
      kind: "hop",
      network,
      from,
      to,
      toPort,
      by,
      arrives: address === to,
    },
  ];
}
