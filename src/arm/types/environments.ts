/**
 * Hosting environments and resource groups: bodies to resources and back. What a body does not
 * name stays as it was: clients send back only what they change.
 *
 * @article External ASE
 */
import { FRONT_END_SCALE_FACTOR } from "../../environment/addresses.ts";
import { INSTANCE_SIZES, type LoadBalancingMode } from "../../environment/kind.ts";
import { environmentDomain } from "../../environment/names.ts";
import { nameOf, parseResourceId } from "../ids.ts";
import { type JsonObject, plainText } from "../json.ts";
import type { HostingEnvironment, Reference, ResourceGroup } from "../resources.ts";
import { type Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

const ENVIRONMENT = "Microsoft.Web/hostingEnvironments";
const SUBNET_TYPE = "virtualnetworks/subnets";
const LONGEST_NAME = 36;
const MOST_IP_ADDRESSES = 30;

export function parseResourceGroup(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const group: ResourceGroup = {
    type: "Microsoft.Resources/resourceGroups",
    ...identity(request.id, request.before),
    ...located(request, body),
    extra: body.extra([]),
  };
  return { resources: [group], replacedParts: [] };
}

export function renderResourceGroup(group: ResourceGroup, context: RenderContext): JsonObject {
  return envelope(group, context, group.extra);
}

export function parseHostingEnvironment(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const before = request.before?.type === ENVIRONMENT ? request.before : undefined;
  judgeName(nameOf(request.id), body);
  judgeVersion(body);
  const mode = modeOf(body) ?? before?.mode ?? "None";
  const subnet = subnetOf(body, before?.subnet);
  const ipSslAddressCount =
    body.int("properties.ipSslAddressCount", 0, MOST_IP_ADDRESSES) ??
    before?.ipSslAddressCount ??
    0;
  const kind = mode === "Web" || mode === "Web, Publishing" ? "Internal" : "External";
  if (kind === "Internal" && 0 < ipSslAddressCount)
    body.fail(
      "BadRequest",
      `ipSslAddressCount is ${ipSslAddressCount}, and an internal environment has no addresses for TLS by IP`,
      "Write ipSslAddressCount 0.",
    );
  const suffix = body.text("properties.dnsSuffix") ?? before?.dnsSuffix;
  const { least, most, usual } = FRONT_END_SCALE_FACTOR;
  const environment: HostingEnvironment = {
    type: ENVIRONMENT,
    ...identity(request.id, before),
    ...located(request, body),
    kind,
    mode,
    subnet,
    ...(suffix === undefined || isUsualSuffix(suffix, request)
      ? {}
      : { dnsSuffix: suffix.toLowerCase() }),
    frontEndScaleFactor:
      body.int("properties.frontEndScaleFactor", least, most) ??
      before?.frontEndScaleFactor ??
      usual,
    multiSize:
      body.choice("properties.multiSize", SIZES) ?? before?.multiSize ?? INSTANCE_SIZES.I1.vmSize,
    ipSslAddressCount,
    clusterSettings:
      body.list("properties.clusterSettings")?.map((setting) => ({
        name: setting.required("properties.clusterSettings.name", setting.text("name")),
        value: plainText(setting.value("value")),
      })) ??
      before?.clusterSettings ??
      [],
    suspended: before?.suspended ?? false,
    extra: { ...before?.extra, ...body.extra(READ) },
  };
  return { resources: [environment], replacedParts: [] };
}

const SIZES = Object.values(INSTANCE_SIZES).flatMap(({ vmSize }) => [vmSize]);
/** `suspended` is changed by suspend and resume, not by PUT. */
const READ = [
  "notices",
  "name",
  "location",
  "internalLoadBalancingMode",
  "virtualNetwork",
  "vnetName",
  "vnetResourceGroupName",
  "vnetSubnetName",
  "ipSslAddressCount",
  "dnsSuffix",
  "frontEndScaleFactor",
  "multiSize",
  "clusterSettings",
  "suspended",
  "maximumNumberOfMachines",
  "environmentIsHealthy",
  "environmentStatus",
  "vipMappings",
];

function judgeName(name: string, body: Body): void {
  const good = name.length <= LONGEST_NAME && /^[a-z\d]([a-z\d-]*[a-z\d])?$/i.test(name);
  if (good) return;
  body.fail(
    "InvalidResourceName",
    `"${name}" cannot be the name of an environment`,
    `Use up to ${LONGEST_NAME} letters, digits and dashes, beginning and ending with a letter or digit.`,
  );
}

function judgeVersion(body: Body): void {
  const kind = body.text("kind");
  if (kind === undefined || kind.toLowerCase() === "asev2") return;
  body.fail("BadRequest", `kind "${kind}" is not offered`, "Write kind ASEV2.");
}

const MODES = [
  "None",
  "Web",
  "Publishing",
  "Web, Publishing",
] as const satisfies readonly LoadBalancingMode[];

/** Written as 0..3, "3", `Web,Publishing` or `Web, Publishing`. */
function modeOf(body: Body): LoadBalancingMode | undefined {
  const path = "properties.internalLoadBalancingMode";
  const value = body.value(path);
  if (value === undefined) return undefined;
  const text = plainText(value).toLowerCase().replaceAll(/\s/g, "");
  if (/^[0-3]$/.test(text)) return MODES[Number(text)];
  if (text === "publishing,web") return "Web, Publishing";
  return (
    MODES.find((mode) => mode.toLowerCase().replaceAll(" ", "") === text) ??
    body.refuse(path, "None, Web, Publishing, Web, Publishing, or a number from 0 to 3", value)
  );
}

/** `virtualNetwork.id` is the id of the subnet, or of the network with the subnet's name beside it. */
function subnetOf(body: Body, before: Reference | undefined): Reference {
  const path = "properties.virtualNetwork";
  const written = body.reference(path);
  if (written === undefined) return body.required(`${path}.id`, before);
  const id = body.accept(`${path}.id`, parseResourceId(written.id));
  const type = id.types.join("/").toLowerCase();
  const name = body.text(`${path}.subnet`);
  if (type === SUBNET_TYPE) return sameOrNew(written, before);
  if (type !== "virtualnetworks")
    return body.fail(
      "InvalidResourceReference",
      `${path}.id names ${written.id}, which is no subnet`,
      "Give the id of a subnet.",
    );
  const subnet = body.required(`${path}.subnet`, name);
  return sameOrNew(body.referenceTo(`${path}.id`, `${written.id}/subnets/${subnet}`), before);
}

function sameOrNew(written: Reference, before: Reference | undefined): Reference {
  return before?.key === written.key ? before : written;
}

/** Clients send back the suffix that GET showed; it is not a wish of the user's then. */
function isUsualSuffix(suffix: string, { id }: ParseRequest): boolean {
  const name = nameOf(id);
  const usual = (["External", "Internal"] as const).map((kind) =>
    environmentDomain({ name, kind }),
  );
  return usual.includes(suffix.toLowerCase());
}

export function renderHostingEnvironment(
  environment: HostingEnvironment,
  context: RenderContext,
): JsonObject {
  const subnet = parseResourceId(environment.subnet.id);
  const names = subnet.ok ? subnet.value.names : [];
  return envelope(
    environment,
    context,
    {
      hasLinuxWorkers: true,
      userWhitelistedIpRanges: [],
      ...environment.extra,
      name: environment.name,
      location: environment.location,
      status: "Ready",
      suspended: environment.suspended,
      virtualNetwork: {
        id: environment.subnet.id,
        name: names[1] ?? "",
        type: "Microsoft.Network/virtualNetworks/subnets",
        subnet: names[1] ?? "",
      },
      vnetName: names[0] ?? "",
      vnetSubnetName: names[1] ?? "",
      vnetResourceGroupName: (subnet.ok ? subnet.value.resourceGroup : undefined) ?? "",
      internalLoadBalancingMode: environment.mode,
      dnsSuffix: environmentDomain(environment),
      frontEndScaleFactor: environment.frontEndScaleFactor,
      multiSize: environment.multiSize,
      ipsslAddressCount: environment.ipSslAddressCount,
      clusterSettings: environment.clusterSettings,
    },
    { kind: "ASEV2" },
  );
}
