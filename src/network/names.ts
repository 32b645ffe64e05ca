/**
 * Private DNS zones as values, and how a name is found in them: the longest zone that holds it,
 * exact names before the nearest wildcard, aliases followed.
 *
 * Nothing is asked and nothing is sent; who links which zone to which network is decided in
 * blueprint/, messages are written in services/.
 */
export const RECORD_TYPES = ["A", "AAAA", "CNAME", "MX", "PTR", "SOA", "SRV", "TXT"] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** What one record says. Names in it are full, without a dot at the end. */
export type RecordData =
  | { readonly type: "A" | "AAAA"; readonly address: string }
  | { readonly type: "CNAME" | "PTR"; readonly target: string }
  | { readonly type: "MX"; readonly preference: number; readonly exchange: string }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly type: "TXT"; readonly texts: readonly string[] }
  | {
      readonly type: "SOA";
      readonly host: string;
      readonly email: string;
      readonly serial: number;
      readonly refreshSeconds: number;
      readonly retrySeconds: number;
      readonly expireSeconds: number;
      readonly minimumSeconds: number;
    };

export type NameRecord = {
  /** Full and lower case; may begin with `*.`. */
  readonly name: string;
  readonly ttlSeconds: number;
  readonly data: RecordData;
};

export type Zone = {
  /** Lower case, without a dot at the end. */
  readonly name: string;
  readonly records: readonly NameRecord[];
  /** True: names the zone does not have are looked for outside, instead of being denied. */
  readonly fallsThrough: boolean;
};

export type Answer = {
  readonly code: "found" | "no-such-name";
  /** In the order in which aliases lead on; none where the name has no such record. */
  readonly records: readonly NameRecord[];
  /** Of the zone that denies. */
  readonly authority?: NameRecord;
};

/** More aliases in a row are a circle. */
const MOST_ALIASES = 8;

/**
 * @param outside what is known beside the zones; undefined: no such name
 */
export function resolveName(
  question: { readonly name: string; readonly type: RecordType | "ANY" | "other" },
  zones: readonly Zone[],
  outside: (name: string) => readonly NameRecord[] | undefined,
): Answer {
  const followed: NameRecord[] = [];
  let name = plainName(question.name);
  for (;;) {
    const zone = zoneOf(name, zones);
    const own = zone === undefined ? undefined : recordsAt(name, zone);
    const known = own ?? (zone === undefined || zone.fallsThrough ? outside(name) : undefined);
    const authority = zone?.records.find(
      (record) => record.data.type === "SOA" && record.name === zone.name,
    );
    const denied = authority === undefined ? {} : { authority };
    if (known === undefined) return { code: "no-such-name", records: followed, ...denied };
    const wanted = known.filter(
      ({ data }) => question.type === "ANY" || data.type === question.type,
    );
    const alias = known.find(({ data }) => data.type === "CNAME");
    if (wanted.length > 0 || alias === undefined || followed.length === MOST_ALIASES)
      return {
        code: "found",
        records: [...followed, ...wanted],
        ...(wanted.length === 0 ? denied : {}),
      };
    followed.push(alias);
    name = alias.data.type === "CNAME" ? plainName(alias.data.target) : name;
  }
}

/** As names are compared. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** The longest zone that the name lies in. */
function zoneOf(name: string, zones: readonly Zone[]): Zone | undefined {
  return zones
    .filter((zone) => name === zone.name || name.endsWith(`.${zone.name}`))
    .toSorted((one, other) => other.name.length - one.name.length)[0];
}

/**
 * Records of a name; of the wildcard beside its closest name that exists, under the asked name.
 * @returns undefined when there is no such name
 */
function recordsAt(name: string, zone: Zone): readonly NameRecord[] | undefined {
  const exact = zone.records.filter((record) => record.name === name);
  if (exact.length > 0 || exists(name, zone)) return exact;
  for (let above = parentName(name); zone.name.length <= above.length; above = parentName(above)) {
    if (!exists(above, zone)) continue;
    const wild = zone.records.filter((record) => record.name === `*.${above}`);
    return wild.length === 0 ? undefined : wild.map((record) => ({ ...record, name }));
  }
  return undefined;
}

/** A name exists when it has records or lies above one that has. */
function exists(name: string, zone: Zone): boolean {
  if (name === zone.name) return true;
  return zone.records.some((record) => record.name === name || record.name.endsWith(`.${name}`));
}

function parentName(name: string): string {
  const dot = name.indexOf(".");
  return dot === -1 ? "" : name.slice(dot + 1);
}
