/**
 * Answers what templates ask of resources with reference() and list...(), as far as the files
 * tell it: what is declared, ids, names by published rules, and outputs of nested deployments.
 *
 * What only Azure could tell is declined with `KnownOnlyInAzure`; nothing is guessed.
 */
import { declaredValues, placeholderKeys } from "../../arm/declared-values.ts";
import type { Runtime } from "../../arm/evaluate.ts";
import { keyOf, parseResourceId } from "../../arm/ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
  withoutProperties,
} from "../../arm/json.ts";
import type { ResourceOf } from "../../arm/resources.ts";
import { ProblemError } from "../../base/problem.ts";
import { FIRST_HOST_OFFSET } from "../../environment/addresses.ts";
import { addressAt, parseCidr } from "../../network/prefix.ts";
import { knownType } from "../../arm/types.ts";
import { partsOf, typeOfId, type Written } from "./written.ts";

export const KNOWN_ONLY_IN_AZURE = "KnownOnlyInAzure";

/** Has a life: it learns what is written while templates are read. */
export class Known {
  readonly #bodies = new Map<string, { readonly id: string; readonly body: JsonObject }>();
  readonly #outputs = new Map<string, () => JsonObject>();

  learn({ id, body }: Written): void {
    this.#bodies.set(keyOf(id), { id, body });
    for (const part of partsOf(id, body)) this.#bodies.set(part.key, part);
  }

  /** @param read outputs of a deployment that was opened, as far as they can be told now */
  learnOutputs(id: string, read: () => JsonObject): void {
    this.#outputs.set(keyOf(id), read);
  }

  readonly runtime: Runtime = (call) => {
    const key = keyOf(call.id);
    if (call.call === "list") return placeholderKeys(declaredOnly(call.id, {}));
    const outputs = this.#outputs.get(key);
    if (outputs !== undefined)
      return { id: call.id, properties: { provisioningState: "Succeeded", outputs: outputs() } };
    const known = this.#bodies.get(key);
    if (known === undefined) {
      const values = declaredValues(declaredOnly(call.id, {}));
      if (1 < Object.keys(values).length) return { id: call.id, properties: values };
      throw new ProblemError({
        code: KNOWN_ONLY_IN_AZURE,
        what: `reference() asks for ${call.id}, which no file declares`,
        fix: "Give the file that declares it, or make the value a parameter.",
      });
    }
    const { id, body } = known;
    const type = knownType(typeOfId(id)) ?? typeOfId(id);
    const written = property(body, "properties");
    const declared = isJsonObject(written) ? written : {};
    const properties = { ...declaredValues(declaredOnly(id, body)), ...declared };
    return {
      ...withoutProperties(body, ["properties"]),
      id,
      name: id.split("/").at(-1) ?? "",
      type,
      properties: this.#computed(id, properties),
    };
  };

  /** Ids of parts, and what the network gives by rule. */
  #computed(id: string, properties: JsonObject): JsonObject {
    const withIds = Object.fromEntries(
      Object.entries(properties).map(([name, value]): [string, JsonValue] => [
        name,
        isJsonArray(value) && PART_LISTS.has(name.toLowerCase())
          ? value.map((item) => withId(`${id}/${name}`, item))
          : value,
      ]),
    );
    return typeOfId(id) === "microsoft.network/azurefirewalls"
      ? this.#withPrivateAddress(withIds)
      : withIds;
  }

  /** A firewall takes the first address of a subnet that is its alone. */
  #withPrivateAddress(properties: JsonObject): JsonObject {
    const configurations = property(properties, "ipConfigurations");
    if (!isJsonArray(configurations)) return properties;
    return {
      ...withoutProperties(properties, ["ipConfigurations"]),
      ipConfigurations: configurations.map((one, index) => {
        const subnet = propertyAt(one, "properties", "subnet", "id");
        const prefix = typeof subnet === "string" ? this.#prefixOf(subnet) : undefined;
        const parsed = typeof prefix === "string" ? parseCidr(prefix) : undefined;
        const inner = property(one, "properties");
        if (index !== 0 || !parsed?.ok || !isJsonObject(one) || !isJsonObject(inner)) return one;
        const address = addressAt(parsed.value, FIRST_HOST_OFFSET);
        return { ...one, properties: { privateIPAddress: address, ...inner } };
      }),
    };
  }

  #prefixOf(subnet: string): JsonValue | undefined {
    const body = this.#bodies.get(keyOf(subnet))?.body;
    const several = propertyAt(body, "properties", "addressPrefixes");
    return (
      propertyAt(body, "properties", "addressPrefix") ??
      (isJsonArray(several) ? several[0] : undefined)
    );
  }
}

const PART_LISTS = new Set(
  ["subnets", "securityRules", "routes", "ipConfigurations", "frontendIPConfigurations"].map(
    (name) => name.toLowerCase(),
  ),
);

function withId(parent: string, item: JsonValue): JsonValue {
  const name = property(item, "name");
  if (!isJsonObject(item) || typeof name !== "string") return item;
  return { id: `${parent}/${name}`, ...item };
}

function declaredOnly(id: string, body: JsonObject): ResourceOf<"DeclaredOnly"> {
  const parsed = parseResourceId(id);
  const name = parsed.ok ? (parsed.value.names.at(-1) ?? "") : "";
  return {
    type: "DeclaredOnly",
    id,
    key: keyOf(id),
    name,
    declaredType: typeOfId(id),
    body,
    extra: {},
  };
}
