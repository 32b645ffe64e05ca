/**
 * What Azure's own clients need to reach this installation: a certificate bundle, a client of
 * their own with its secret, and the variables that name all of it.
 *
 * Kept in the home under az/, for its owner only. Secrets stand in files of mode 0600, never in
 * arguments. Starting az is commands/az.ts.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { declined, found, type Result } from "../base/problem.ts";
import type { Client } from "./client.ts";
import { type Home, readIfThere, type RunningServer } from "./home.ts";
import { itemsOf, textAt } from "./read.ts";

export type AzHome = {
  readonly origin: string;
  readonly configFolder: string;
  readonly bundle: string;
  readonly cloudFile: string;
  readonly secretFile: string;
  readonly joinedFile: string;
};

/** What the server tells of itself. */
export type Place = { readonly subscription: string; readonly tenant: string };

export type AzClient = { readonly clientId: string; readonly objectId: string };

const SYSTEM_BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
const CLIENT_NAME = "ase az";
const OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
const ROLES_VERSION = "api-version=2022-04-01";

export function openAzHome(home: Home, server: RunningServer): Result<AzHome> {
  const at = (name: string) => join(home.az, name);
  const origin = `https://localhost:${server.apiPort}`;
  const opened: AzHome = {
    origin,
    configFolder: at("config"),
    bundle: at("ca-bundle.pem"),
    cloudFile: at("cloud.json"),
    secretFile: at("client-secret"),
    joinedFile: at("joined.json"),
  };
  try {
    mkdirSync(opened.configFolder, { recursive: true, mode: 0o700 });
    chmodSync(home.az, 0o700);
    const system = SYSTEM_BUNDLES.map(readIfThere).find((text) => text !== undefined) ?? "";
    writeWhole(opened.bundle, `${system}\n${readFileSync(home.authority, "utf8")}`);
    writeWhole(opened.cloudFile, JSON.stringify(cloudOf(origin)));
    return found(opened);
  } catch (thrown) {
    return declined({
      code: "HomeNotWritable",
      what: `the home cannot be written: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      where: home.az,
      fix: "Run as the user who started the server.",
    });
  }
}

/** Every endpoint is the API itself; `/adfs` makes az ask no other host who may sign in. */
function cloudOf(origin: string): object {
  const root = `${origin}/`;
  return {
    endpoints: {
      resourceManager: root,
      management: root,
      activeDirectory: `${origin}/adfs`,
      activeDirectoryResourceId: root,
      activeDirectoryGraphResourceId: root,
      microsoftGraphResourceId: root,
      gallery: root,
      portal: root,
    },
    suffixes: {
      storageEndpoint: "core.windows.net",
      keyvaultDns: ".vault.azure.net",
      sqlServerHostname: ".database.windows.net",
      acrLoginServerEndpoint: ".azurecr.io",
    },
  };
}

/** The client that az signs in as: the kept one while the server knows it, else a new one. */
export async function azClient(
  client: Client,
  az: AzHome,
  { subscription }: Place,
): Promise<Result<AzClient & { readonly isNew: boolean }>> {
  const kept = keptClient(az);
  if (kept !== undefined) {
    const known = await client.ask({
      method: "GET",
      path: `/v1.0/servicePrincipals/${kept.objectId}`,
    });
    if (!known.ok) return known;
    if (known.value.status === 200) return found({ ...kept, isNew: false });
  }
  const post = (path: string, body: object) =>
    client.carryOut({ method: "POST", path: `/v1.0/${path}`, body: { ...body } });
  const application = await post("applications", { displayName: CLIENT_NAME });
  if (!application.ok) return application;
  const appId = textAt(application.value, "appId") ?? "";
  const principal = await post("servicePrincipals", { appId });
  if (!principal.ok) return principal;
  const objectId = textAt(principal.value, "id") ?? "";
  const password = await post(`applications/${textAt(application.value, "id") ?? ""}/addPassword`, {
    passwordCredential: { displayName: CLIENT_NAME, endDateTime: FAR },
  });
  if (!password.ok) return password;
  const role = await client.carryOut({
    method: "PUT",
    path: `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}?${ROLES_VERSION}`,
    body: { properties: { roleDefinitionId: OWNER, principalId: objectId } },
  });
  if (!role.ok) return role;
  writeWhole(az.secretFile, textAt(password.value, "secretText") ?? "");
  return found({ clientId: appId, objectId, isNew: true });
}

/** It lives as long as the home. */
const FAR = "2999-01-01T00:00:00Z";

type Joined = AzClient & { readonly origin: string };

function readJoined(az: AzHome): Joined | undefined {
  const text = readIfThere(az.joinedFile);
  return text === undefined ? undefined : (JSON.parse(text) as Joined);
}

function keptClient(az: AzHome): AzClient | undefined {
  const joined = readJoined(az);
  return joined !== undefined && existsSync(az.secretFile) ? joined : undefined;
}

/** Whether az was signed in here before, under the same address. */
export function isJoined(az: AzHome): boolean {
  return readJoined(az)?.origin === az.origin;
}

export function rememberJoined(az: AzHome, { clientId, objectId }: AzClient): void {
  writeWhole(az.joinedFile, JSON.stringify({ clientId, objectId, origin: az.origin }));
}

/** For az alone. */
export function azVariables(az: AzHome): Readonly<Record<string, string>> {
  return {
    AZURE_CONFIG_DIR: az.configFolder,
    REQUESTS_CA_BUNDLE: az.bundle,
    SSL_CERT_FILE: az.bundle,
    AZURE_CORE_COLLECT_TELEMETRY: "no",
    AZURE_CORE_INSTANCE_DISCOVERY: "false",
    AZURE_CORE_LOGIN_EXPERIENCE_V2: "off",
  };
}

/** For SDKs and Terraform, besides. Secrets are named by their files. */
export function sdkVariables(
  az: AzHome,
  { clientId }: AzClient,
  { subscription, tenant }: Place,
): Readonly<Record<string, string>> {
  return {
    NODE_EXTRA_CA_CERTS: az.bundle,
    AZURE_AUTHORITY_HOST: az.origin,
    AZURE_TENANT_ID: "adfs",
    AZURE_CLIENT_ID: clientId,
    AZURE_SUBSCRIPTION_ID: subscription,
    ARM_METADATA_HOSTNAME: new URL(az.origin).host,
    ARM_TENANT_ID: tenant,
    ARM_SUBSCRIPTION_ID: subscription,
    ARM_CLIENT_ID: clientId,
    ARM_CLIENT_SECRET_FILE_PATH: az.secretFile,
    ARM_RESOURCE_PROVIDER_REGISTRATIONS: "none",
  };
}

/** The folder that makes Debian's az 2.45 whole; undefined for every other az. */
export function shimFor(azProgram: string): string | undefined {
  const core = readIfThere("/usr/lib/python3/dist-packages/azure/cli/core/__init__.py") ?? "";
  const isDebians = azProgram === "/usr/bin/az" && core.includes('__version__ = "2.45.0"');
  return isDebians ? SHIM : undefined;
}

const SHIM = fileURLToPath(new URL("../../clients/az-debian", import.meta.url));

export async function readPlace(client: Client): Promise<Result<Place>> {
  const answer = await client.get("/tenants?api-version=2019-11-01");
  if (!answer.ok) return answer;
  const subscriptions = await client.get("/subscriptions?api-version=2019-11-01");
  if (!subscriptions.ok) return subscriptions;
  return found({
    tenant: textAt(itemsOf(answer.value)[0], "tenantId") ?? "",
    subscription: textAt(itemsOf(subscriptions.value)[0], "subscriptionId") ?? "",
  });
}

function writeWhole(file: string, text: string): void {
  const draft = `${file}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, file);
}
