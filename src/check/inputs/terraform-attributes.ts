/**
 * The attributes of one Terraform resource or block, read with what is known only after apply:
 * ids and names come from the resource that an attribute refers to.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
} from "../../arm/json.ts";
import type { Places } from "../../arm/places.ts";
import type { AttributePath, TerraformResource } from "./terraform-values.ts";

/** What attributes are read with: other resources of the file. */
export type TerraformContext = {
  readonly places: Places;
  readonly referred: (
    from: TerraformResource,
    path: AttributePath,
    types: readonly string[],
  ) => readonly TerraformResource[];
  readonly idOfResource: (resource: TerraformResource) => string;
  readonly nameOfResource: (resource: TerraformResource) => string;
  /** Private address of a firewall or interface, where a rule gives it. */
  readonly addressOfResource: (resource: TerraformResource) => string | undefined;
  /** An attribute is not known, and nothing tells which resource will give it. */
  readonly unknown: (resource: TerraformResource, path: AttributePath, count: number) => void;
};

export class Attributes {
  readonly #resource: TerraformResource;
  readonly #context: TerraformContext;
  readonly #json: JsonObject;
  readonly #path: AttributePath;

  constructor(
    resource: TerraformResource,
    context: TerraformContext,
    json: JsonObject = resource.values,
    path: AttributePath = [],
  ) {
    this.#resource = resource;
    this.#context = context;
    this.#json = json;
    this.#path = path;
  }

  value(name: string): JsonValue | undefined {
    return property(this.#json, name) ?? undefined;
  }

  /** Empty texts are Terraform's way to say nothing. */
  text(name: string): string | undefined {
    const value = this.value(name);
    if (typeof value === "number") return String(value);
    return typeof value === "string" && value !== "" ? value : undefined;
  }

  bool(name: string): boolean | undefined {
    const value = this.value(name);
    return typeof value === "boolean" ? value : undefined;
  }

  list(name: string): readonly JsonValue[] {
    const value = this.value(name);
    return isJsonArray(value) ? value.filter((one) => one !== null) : [];
  }

  blocks(name: string): readonly Attributes[] {
    const value = this.value(name);
    const items = isJsonArray(value) ? value : [value ?? null];
    return items.flatMap((item, index) =>
      isJsonObject(item)
        ? [new Attributes(this.#resource, this.#context, item, [...this.#path, name, index])]
        : [],
    );
  }

  given(name: string, value: JsonValue | undefined): JsonObject {
    return value === undefined ? {} : { [name]: value };
  }

  /** `{ subnet: { id } }`, or nothing where the attribute is not set. */
  reference(name: string, attribute: readonly [string], types: readonly string[]): JsonObject {
    const id = this.idOf(attribute, types);
    return id === undefined ? {} : { [name]: { id } };
  }

  idOf(attribute: readonly [string], types: readonly string[]): string | undefined {
    const written = this.text(attribute[0]);
    if (written !== undefined) return written;
    const path = [...this.#path, attribute[0]];
    const all = this.#context.referred(this.#resource, path, types);
    const [only] = all;
    if (all.length === 1 && only !== undefined) return this.#context.idOfResource(only);
    if (1 < all.length) this.#context.unknown(this.#resource, path, all.length);
    return undefined;
  }

  idsOf(attribute: readonly [string], types: readonly string[]): readonly string[] {
    const written = this.list(attribute[0]).filter((one) => typeof one === "string");
    if (0 < written.length) return written;
    return this.#context
      .referred(this.#resource, [...this.#path, attribute[0]], types)
      .map(this.#context.idOfResource);
  }

  /** A name that is written, or that of the resource it refers to. */
  nameOf(attribute: string, types: readonly string[]): string {
    const written = this.text(attribute);
    if (written !== undefined) return written;
    const [only, ...more] = this.#context.referred(
      this.#resource,
      [...this.#path, attribute],
      types,
    );
    if (only !== undefined && more.length === 0) return this.#context.nameOfResource(only);
    this.#context.unknown(this.#resource, [...this.#path, attribute], more.length);
    return this.#resource.name;
  }

  applianceAddress(attribute: readonly [string]): string | undefined {
    const all = this.#context.referred(
      this.#resource,
      [...this.#path, attribute[0]],
      ["azurerm_firewall", "azurerm_network_interface"],
    );
    const [only] = all;
    return all.length === 1 && only !== undefined
      ? this.#context.addressOfResource(only)
      : undefined;
  }

  /** What was made of this block stands where it stands. */
  placed(made: JsonObject): JsonObject {
    this.#context.places.follow(made, this.#json);
    return made;
  }
}
