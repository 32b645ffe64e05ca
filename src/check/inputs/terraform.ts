/**
 * A Terraform plan or state to written resources. Associations, which are resources of their own
 * there, go to the resource they speak of.
 */
import { keyOf, parseResourceId } from "../../arm/ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
  readJson,
} from "../../arm/json.ts";
import { formatPlace, type Places } from "../../arm/places.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { FIRST_HOST_OFFSET } from "../../environment/addresses.ts";
import { addressAt, parseCidr } from "../../network/prefix.ts";
import { Attributes, type TerraformContext } from "./terraform-attributes.ts";
import { azapiBody, TERRAFORM_TYPES } from "./terraform-resources.ts";
import { TerraformFile, type TerraformResource } from "./terraform-values.ts";
import type { FileReading, Written } from "./written.ts";

export type TerraformRequest = {
  readonly root: JsonObject;
  readonly file: string;
  readonly group: string;
  readonly subscription: string;
};

export function readTerraform(request: TerraformRequest, places: Places): Result<FileReading> {
  const { root, file } = request;
  const version = property(root, "format_version");
  if (typeof version === "string" && !/^[01]\./.test(version))
    return declined({
      code: "UnreadableInput",
      what: `${file} has the format_version ${version}, and 0.x and 1.x are read`,
      fix: "Print the plan with a Terraform of version 1.",
      where: file,
    });
  return found(new Reading(request, places).run());
}

/** Has a life: while one file is read. */
class Reading {
  readonly #request: TerraformRequest;
  readonly #places: Places;
  readonly #file: TerraformFile;
  readonly #warnings: Problem[] = [];
  readonly #bodies = new Map<string, Record<string, JsonValue>>();
  readonly #subscription: string;
  readonly #context: TerraformContext;

  constructor(request: TerraformRequest, places: Places) {
    this.#request = request;
    this.#places = places;
    this.#file = new TerraformFile(request.root);
    this.#subscription = this.#subscriptionOf() ?? request.subscription;
    this.#context = {
      places,
      referred: (from, path, types) => this.#file.referred(from, path, types),
      idOfResource: (resource) => this.#idOf(resource),
      nameOfResource: (resource) => this.#nameOf(resource),
      addressOfResource: (resource) => this.#addressOf(resource),
      unknown: (resource, path, count) =>
        this.#warn(resource, {
          code: "ReferenceUnclear",
          what: `${resource.address}: ${path.join(".")} is known only after apply${count < 2 ? "" : `, and could be one of ${count} resources`}`,
          fix: "Apply first and check the state, or write the id of what is meant.",
        }),
    };
  }

  run(): FileReading {
    const written = inOrder(this.#file.resources).flatMap((one): readonly Written[] => {
      if (one.type === "azapi_resource") return this.#azapi(one);
      const known = TERRAFORM_TYPES[one.type];
      if (known === undefined || !Object.hasOwn(TERRAFORM_TYPES, one.type)) {
        this.#noteOther(one);
        return [];
      }
      const attributes = new Attributes(one, this.#context);
      const properties: Record<string, JsonValue> = { ...known.properties(attributes) };
      if (isForeign(one, properties)) return [];
      const location = attributes.text("location");
      const id = this.#context.idOfResource(one);
      this.#bodies.set(keyOf(id), properties);
      const body: JsonObject = {
        ...attributes.given("location", location),
        ...known.besides?.(attributes),
        properties,
      };
      return [this.#written(one, id, body)];
    });
    for (const one of this.#file.resources) this.#associate(one);
    return { written, notes: [], warnings: this.#warnings };
  }

  #written(resource: TerraformResource, id: string, body: JsonObject): Written {
    const place = this.#places.of(resource.json);
    return {
      id,
      body,
      format: "terraform",
      isPut: resource.mode === "managed",
      address: resource.address,
      ...(place === undefined ? {} : { place }),
    };
  }

  #azapi(resource: TerraformResource): readonly Written[] {
    const attributes = new Attributes(resource, this.#context);
    const [type = ""] = (attributes.text("type") ?? "").split("@");
    const body = azapiBody(attributes.value("body"), (text) => {
      const read = readJson(text, resource.address);
      return read.ok ? read.value : null;
    });
    const id = attributes.text("id") ?? this.#azapiId(resource, attributes, type);
    if (id === undefined) return [];
    const properties = property(body, "properties");
    this.#bodies.set(keyOf(id), isJsonObject(properties) ? { ...properties } : {});
    const location = attributes.text("location");
    return [this.#written(resource, id, { ...attributes.given("location", location), ...body })];
  }

  #azapiId(resource: TerraformResource, attributes: Attributes, type: string): string | undefined {
    const name = attributes.text("name") ?? resource.name;
    const parents = [...Object.keys(TERRAFORM_TYPES), "azapi_resource", "azurerm_resource_group"];
    const parent = attributes.idOf(["parent_id"], parents) ?? this.#groupId(resource);
    const [namespace = "", ...types] = type.split("/");
    const last = types.at(-1);
    if (last === undefined) return undefined;
    return types.length === 1
      ? `${parent}/providers/${namespace}/${last}/${name}`
      : `${parent}/${last}/${name}`;
  }

  /** Types that say nothing of a network; those that stand in a subnet are named. */
  #noteOther(one: TerraformResource): void {
    if (one.mode === "data" || ASSOCIATIONS[one.type] !== undefined) return;
    const subnet = Object.keys(one.values).find((name) => /(^|_)subnet_ids?$/.test(name));
    if (subnet === undefined) return;
    this.#warn(one, {
      code: "UnknownResourceType",
      what: `${one.address} stands in a subnet, and the type ${one.type} is not known here`,
      fix: "Check by hand that it does not stand in the subnet of an environment.",
    });
  }

  /** Tells a resource of another what an association says. */
  #associate(one: TerraformResource): void {
    const association = Object.hasOwn(ASSOCIATIONS, one.type) ? ASSOCIATIONS[one.type] : undefined;
    if (association === undefined) return;
    const attributes = new Attributes(one, this.#context);
    const [subject, subjectTypes] = association.subject;
    const id = attributes.idOf([subject], subjectTypes);
    const body = id === undefined ? undefined : this.#bodies.get(keyOf(id));
    if (body === undefined)
      return this.#warn(one, {
        code: "AssociationUnknown",
        what: `${one.address} speaks of ${id ?? `a ${subject} that cannot be told`}, which this file does not hold`,
        fix: "Give the file that holds it, with the association in it: JSON of az shows both.",
      });
    association.tell(attributes, body);
    return undefined;
  }

  #warn(resource: TerraformResource, problem: Problem): void {
    const place = this.#places.of(resource.json);
    const where =
      place === undefined ? resource.address : `${formatPlace(place)} (${resource.address})`;
    this.#warnings.push({ ...problem, where });
  }

  #nameOf(resource: TerraformResource): string {
    const name = property(resource.values, "name");
    return typeof name === "string" && name !== "" ? name : resource.name;
  }

  #idOf(resource: TerraformResource): string {
    const known = property(resource.values, "id");
    if (typeof known === "string" && known.startsWith("/")) return known;
    if (resource.type === "azurerm_resource_group")
      return `/subscriptions/${this.#subscription}/resourceGroups/${this.#nameOf(resource)}`;
    if (resource.type === "azapi_resource") {
      const attributes = new Attributes(resource, this.#context);
      const [type = ""] = (attributes.text("type") ?? "").split("@");
      return this.#azapiId(resource, attributes, type) ?? resource.address;
    }
    const type = TERRAFORM_TYPES[resource.type];
    if (type === undefined) return resource.address;
    const [namespace = "", ...types] = type.type.split("/");
    const parents = type.parents?.(new Attributes(resource, this.#context)) ?? [];
    const names = [...parents, this.#nameOf(resource)];
    const path = types.map((part, index) => `${part}/${names[index] ?? ""}`).join("/");
    return `${this.#groupId(resource)}/providers/${namespace}/${path}`;
  }

  #groupId(resource: TerraformResource): string {
    const written = property(resource.values, "resource_group_name");
    const [referred] = this.#file.referred(
      resource,
      ["resource_group_name"],
      ["azurerm_resource_group"],
    );
    const name =
      typeof written === "string" && written !== ""
        ? written
        : referred === undefined
          ? this.#request.group
          : this.#nameOf(referred);
    return `/subscriptions/${this.#subscription}/resourceGroups/${name}`;
  }

  #addressOf(resource: TerraformResource): string | undefined {
    const [configuration] = new Attributes(resource, this.#context).blocks("ip_configuration");
    const written = configuration?.text("private_ip_address");
    if (written !== undefined) return written;
    if (resource.type !== "azurerm_firewall") return undefined;
    const subnet = configuration?.idOf(["subnet_id"], ["azurerm_subnet"]);
    const body = subnet === undefined ? undefined : this.#bodies.get(keyOf(subnet));
    const several = body === undefined ? undefined : property(body, "addressPrefixes");
    const [prefix] = isJsonArray(several) ? several : [];
    const parsed = typeof prefix === "string" ? parseCidr(prefix) : undefined;
    return parsed?.ok ? addressAt(parsed.value, FIRST_HOST_OFFSET) : undefined;
  }

  #subscriptionOf(): string | undefined {
    for (const { values } of this.#file.resources) {
      const id = property(values, "id");
      const parsed = typeof id === "string" ? parseResourceId(id) : undefined;
      if (parsed?.ok && parsed.value.subscription !== undefined) return parsed.value.subscription;
    }
    return undefined;
  }
}

type Association = {
  readonly subject: readonly [string, readonly string[]];
  readonly tell: (of: Attributes, body: Record<string, JsonValue>) => void;
};

const tellSecurityGroup: Association["tell"] = (of, body) =>
  Object.assign(
    body,
    of.reference(
      "networkSecurityGroup",
      ["network_security_group_id"],
      ["azurerm_network_security_group"],
    ),
  );

const ASSOCIATIONS: Readonly<Record<string, Association>> = {
  azurerm_subnet_network_security_group_association: {
    subject: ["subnet_id", ["azurerm_subnet"]],
    tell: tellSecurityGroup,
  },
  azurerm_subnet_route_table_association: {
    subject: ["subnet_id", ["azurerm_subnet"]],
    tell: (of, body) =>
      Object.assign(body, of.reference("routeTable", ["route_table_id"], ["azurerm_route_table"])),
  },
  azurerm_network_interface_security_group_association: {
    subject: ["network_interface_id", ["azurerm_network_interface"]],
    tell: tellSecurityGroup,
  },
  azurerm_network_interface_application_security_group_association: {
    subject: ["network_interface_id", ["azurerm_network_interface"]],
    tell: (of, body) => {
      const id = of.idOf(["application_security_group_id"], ["azurerm_application_security_group"]);
      const configurations = body["ipConfigurations"];
      if (id === undefined || !isJsonArray(configurations ?? null)) return;
      body["ipConfigurations"] = (configurations as readonly JsonValue[]).map((one) => {
        const properties = property(one, "properties");
        const before = property(properties, "applicationSecurityGroups");
        if (!isJsonObject(one) || !isJsonObject(properties)) return one;
        const groups = [...(isJsonArray(before) ? before : []), { id }];
        return { ...one, properties: { ...properties, applicationSecurityGroups: groups } };
      });
    },
  },
  azurerm_virtual_network_dns_servers: {
    subject: ["virtual_network_id", ["azurerm_virtual_network"]],
    tell: (of, body) =>
      Object.assign(body, { dhcpOptions: { dnsServers: of.list("dns_servers") } }),
  },
};

/** Plans outside environments, and their apps, are none of a check's. */
function isForeign(one: TerraformResource, properties: JsonObject): boolean {
  if (one.type === "azurerm_app_service_plan" || one.type === "azurerm_service_plan")
    return propertyAt(properties, "hostingEnvironmentProfile", "id") === undefined;
  const isSite = TERRAFORM_TYPES[one.type]?.type === "Microsoft.Web/sites";
  return isSite && property(properties, "serverFarmId") === undefined;
}

/** Networks before their subnets, groups before their rules; what is only read comes first. */
function inOrder(all: readonly TerraformResource[]): readonly TerraformResource[] {
  const depth = ({ type }: TerraformResource) => TERRAFORM_TYPES[type]?.type.split("/").length ?? 0;
  return [...all].sort(
    (a, b) => Number(b.mode === "data") - Number(a.mode === "data") || depth(a) - depth(b),
  );
}
