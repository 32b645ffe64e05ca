/**
 * Private DNS zones, their record sets and their links to networks: bodies to resources and back.
 *
 * Names of record sets are relative to the zone: `@`, `*`, `*.scm`. How names are found is
 * network/names.ts.
 */
import { parseIpv4 } from "../../network/prefix.ts";
import { plainName, RECORD_TYPES, type RecordData, type RecordType } from "../../network/names.ts";
import { childOf, formatResourceId, keyOf, nameOf, parentOf, type ResourceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type {
  PrivateDnsLink,
  PrivateDnsRecordSet,
  PrivateDnsZone,
  Reference,
  Resource,
} from "../resources.ts";
import { type Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

const ZONE = "Microsoft.Network/privateDnsZones";
const LINK = "Microsoft.Network/privateDnsZones/virtualNetworkLinks";
const LONGEST_NAME = 253;
const LONGEST_TEXT = 255;
const MOST_SECONDS = 2_147_483_647;
const LABEL = "[a-z\\d_]([a-z\\d_-]{0,61}[a-z\\d_])?";
const ZONE_NAME = new RegExp(`^${LABEL}(\\.${LABEL})+$`);
const RECORD_NAME = new RegExp(`^(@|\\*|(\\*\\.)?${LABEL}(\\.${LABEL})*)$`);
const TARGET_NAME = new RegExp(`^${LABEL}(\\.${LABEL})*\\.?$`, "i");

/** What the platform writes at the top of every new zone. */
const FIRST_AUTHORITY: RecordData = {
  type: "SOA",
  host: "azureprivatedns.net",
  email: "azureprivatedns-host.microsoft.com",
  serial: 1,
  refreshSeconds: 3_600,
  retrySeconds: 300,
  expireSeconds: 2_419_200,
  minimumSeconds: 10,
};
const USUAL_TTL = 3_600;

export function parsePrivateDnsZone(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const name = nameOf(request.id).toLowerCase();
  if (LONGEST_NAME < name.length || !ZONE_NAME.test(name))
    body.fail(
      "BadRequest",
      `"${name}" cannot be the name of a private DNS zone`,
      "Use two labels or more of letters, digits and dashes, like corp.example.com.",
    );
  const zone: PrivateDnsZone = {
    type: ZONE,
    ...identity(request.id, request.before),
    ...located(request, body),
    extra: {},
  };
  const id = childOf(request.id, "SOA", "@");
  if (request.context.lookUp(keyOf(id)) !== undefined)
    return { resources: [zone], replacedParts: [] };
  const authority: PrivateDnsRecordSet = {
    type: `${ZONE}/SOA`,
    ...identity(id, undefined),
    zone: { id: zone.id, key: zone.key },
    ttlSeconds: USUAL_TTL,
    records: [FIRST_AUTHORITY],
    metadata: {},
    extra: {},
  };
  return { resources: [zone, authority], replacedParts: [] };
}

export function parsePrivateDnsRecordSet(type: RecordType): (request: ParseRequest) => Parsed {
  return (request) => {
    const body = bodyOf(request);
    const name = nameOf(request.id).toLowerCase();
    const zone = parentReference(request.id);
    if (!RECORD_NAME.test(name) || LONGEST_NAME < `${name}.${nameOfZone(zone)}`.length)
      body.fail(
        "BadRequest",
        `"${name}" cannot be the name of a record set`,
        "Use @ for the zone itself, * for all names below it, or a name like www.",
      );
    if (name === "@" && type === "CNAME")
      body.fail(
        "BadRequest",
        "a CNAME record cannot stand at the top of a zone",
        "Use an A record for @.",
      );
    const before = request.before;
    const known = before !== undefined && isRecordSet(before) ? before : undefined;
    const resource: PrivateDnsRecordSet = {
      type: `${ZONE}/${type}`,
      ...identity(request.id, request.before),
      zone,
      ttlSeconds: body.int("properties.ttl", 0, MOST_SECONDS) ?? known?.ttlSeconds ?? USUAL_TTL,
      records: recordsOf(type, body),
      metadata: body.map("properties.metadata") ?? known?.metadata ?? {},
      extra: {},
    };
    return { resources: [resource], replacedParts: [] };
  };
}

/** By record type: the list that a body holds, and one entry of it. */
const LISTS: Readonly<Record<RecordType, (body: Body) => readonly RecordData[]>> = {
  A: (body) =>
    listOf(body, "aRecords").map((one) => ({
      type: "A",
      address: body.accept(
        "properties.aRecords.ipv4Address",
        parseIpv4(required(one, "ipv4Address")),
      ),
    })),
  AAAA: (body) =>
    listOf(body, "aaaaRecords").map((one) => ({ type: "AAAA", address: ipv6Of(one) })),
  CNAME: (body) => {
    const target = body.text("properties.cnameRecord.cname");
    return target === undefined ? [] : [{ type: "CNAME", target: targetOf(body, target) }];
  },
  PTR: (body) =>
    listOf(body, "ptrRecords").map((one) => ({
      type: "PTR",
      target: targetOf(body, required(one, "ptrdname")),
    })),
  MX: (body) =>
    listOf(body, "mxRecords").map((one) => ({
      type: "MX",
      preference: one.int("preference", 0, 65_535) ?? 0,
      exchange: targetOf(body, required(one, "exchange")),
    })),
  SRV: (body) =>
    listOf(body, "srvRecords").map((one) => ({
      type: "SRV",
      priority: one.int("priority", 0, 65_535) ?? 0,
      weight: one.int("weight", 0, 65_535) ?? 0,
      port: one.required("port", one.int("port", 0, 65_535)),
      target: targetOf(body, required(one, "target")),
    })),
  TXT: (body) =>
    listOf(body, "txtRecords").map((one) => ({
      type: "TXT",
      texts: one.required("properties.txtRecords.value", textsOf(one)),
    })),
  SOA: (body) => {
    const path = "properties.soaRecord";
    const seconds = (name: string, usual: number) =>
      body.int(`${path}.${name}`, 0, MOST_SECONDS) ?? usual;
    const { host, email, serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } =
      FIRST_AUTHORITY;
    return [
      {
        type: "SOA",
        host: plainName(body.text(`${path}.host`) ?? host),
        email: plainName(body.text(`${path}.email`) ?? email),
        serial: seconds("serialNumber", serial),
        refreshSeconds: seconds("refreshTime", refreshSeconds),
        retrySeconds: seconds("retryTime", retrySeconds),
        expireSeconds: seconds("expireTime", expireSeconds),
        minimumSeconds: seconds("minimumTtl", minimumSeconds),
      },
    ];
  },
};

function recordsOf(type: RecordType, body: Body): readonly RecordData[] {
  return LISTS[type](body);
}

function listOf(body: Body, name: string): readonly Body[] {
  return body.list(`properties.${name}`) ?? [];
}

function required(entry: Body, name: string): string {
  return entry.required(name, entry.text(name));
}

function targetOf(body: Body, name: string): string {
  if (TARGET_NAME.test(name)) return plainName(name);
  return body.fail("BadRequest", `"${name}" is not a DNS name`, "Write a name like www.corp.test.");
}

function textsOf(entry: Body): readonly string[] | undefined {
  const texts = entry.texts("value");
  const long = texts?.find((text) => LONGEST_TEXT < new TextEncoder().encode(text).length);
  if (long === undefined) return texts;
  return entry.fail(
    "BadRequest",
    `a text of a TXT record has more than ${LONGEST_TEXT} bytes: "${long.slice(0, 20)}..."`,
    "Split it into several texts of one value.",
  );
}

function ipv6Of(entry: Body): string {
  const text = required(entry, "ipv6Address");
  if (/^[\da-f:.]+$/i.test(text) && URL.canParse(`http://[${text}]`)) return text.toLowerCase();
  return entry.fail("BadRequest", `"${text}" is not an IPv6 address`, "Write it like fd00::4.");
}

export function parsePrivateDnsLink(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const path = "properties.virtualNetwork";
  const before = request.before?.type === LINK ? request.before : undefined;
  const link: PrivateDnsLink = {
    type: LINK,
    ...identity(request.id, request.before),
    ...located(request, body),
    zone: parentReference(request.id),
    network: body.required(`${path}.id`, body.reference(path) ?? before?.network),
    registrationEnabled:
      body.bool("properties.registrationEnabled") ?? before?.registrationEnabled ?? false,
    fallsThrough:
      body.choice("properties.resolutionPolicy", ["Default", "NxDomainRedirect"]) ===
      "NxDomainRedirect",
    extra: {},
  };
  return { resources: [link], replacedParts: [] };
}

function parentReference(id: ResourceId): Reference {
  const parent = parentOf(id) ?? id;
  return { id: formatResourceId(parent), key: keyOf(parent) };
}

function nameOfZone({ key }: Reference): string {
  return key.split("/").at(-1) ?? "";
}

/** The full name that a record set stands for. */
export function fullName(recordSet: PrivateDnsRecordSet): string {
  const zone = nameOfZone(recordSet.zone);
  const name = recordSet.name.toLowerCase();
  return name === "@" ? zone : `${name}.${zone}`;
}

export function recordTypeOf({ type }: PrivateDnsRecordSet): RecordType {
  return type.slice(`${ZONE}/`.length) as RecordType;
}

export const RECORD_SET_TYPES: readonly PrivateDnsRecordSet["type"][] = RECORD_TYPES.map(
  (type): PrivateDnsRecordSet["type"] => `${ZONE}/${type}`,
);

export function isRecordSet(resource: Resource): resource is PrivateDnsRecordSet {
  return (RECORD_SET_TYPES as readonly string[]).includes(resource.type);
}

export function renderPrivateDnsZone(zone: PrivateDnsZone, context: RenderContext): JsonObject {
  const own = <Part extends { readonly zone: Reference }>(parts: readonly Part[]) =>
    parts.filter((part) => part.zone.key === zone.key);
  const links = own(context.ofType(LINK));
  const recordSets = RECORD_SET_TYPES.flatMap((type) => own(context.ofType(type)));
  return envelope(zone, context, {
    maxNumberOfRecordSets: 25_000,
    numberOfRecordSets: recordSets.length,
    maxNumberOfVirtualNetworkLinks: 1_000,
    numberOfVirtualNetworkLinks: links.length,
    maxNumberOfVirtualNetworkLinksWithRegistration: 100,
    numberOfVirtualNetworkLinksWithRegistration: links.filter((one) => one.registrationEnabled)
      .length,
  });
}

export function renderPrivateDnsLink(link: PrivateDnsLink, context: RenderContext): JsonObject {
  return envelope(link, context, {
    virtualNetwork: { id: link.network.id },
    registrationEnabled: link.registrationEnabled,
    resolutionPolicy: link.fallsThrough ? "NxDomainRedirect" : "Default",
    virtualNetworkLinkState: "Completed",
  });
}

export function renderPrivateDnsRecordSet(
  recordSet: PrivateDnsRecordSet,
  context: RenderContext,
): JsonObject {
  return envelope(recordSet, context, {
    fqdn: `${fullName(recordSet)}.`,
    ttl: recordSet.ttlSeconds,
    isAutoRegistered: false,
    metadata: recordSet.metadata,
    ...shown(recordTypeOf(recordSet), recordSet.records),
  });
}

function shown(type: RecordType, records: readonly RecordData[]): JsonObject {
  const entries = records.map(shownRecord);
  const [only = {}] = entries;
  if (type === "CNAME") return records.length === 0 ? {} : { cnameRecord: only };
  return type === "SOA" ? { soaRecord: only } : { [`${type.toLowerCase()}Records`]: entries };
}

function shownRecord(record: RecordData): JsonObject {
  switch (record.type) {
    case "A":
      return { ipv4Address: record.address };
    case "AAAA":
      return { ipv6Address: record.address };
    case "CNAME":
      return { cname: record.target };
    case "PTR":
      return { ptrdname: record.target };
    case "MX":
      return { preference: record.preference, exchange: record.exchange };
    case "SRV":
      return {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: record.target,
      };
    case "TXT":
      return { value: record.texts };
    case "SOA":
      return {
        host: record.host,
        email: record.email,
        serialNumber: record.serial,
        refreshTime: record.refreshSeconds,
        retryTime: record.retrySeconds,
        expireTime: record.expireSeconds,
        minimumTtl: record.minimumSeconds,
      };
  }
}
