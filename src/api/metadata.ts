/**
 * What clients ask before they sign in: where everything is. Three shapes on one path, chosen by
 * api-version as the clients expect it. No token is needed.
 */
import { Hono } from "hono";

import type { Account } from "../control/control-plane.ts";
import { originOf } from "./answer.ts";
import { query } from "./request.ts";

/** Clients of this version and older read one flat object. */
const OLD_SHAPE = ["1.0", "2015-01-01", "2018-05-01"];
/** These read a list of clouds, later ones a single cloud. */
const LIST_SHAPE = ["2019-05-01", "2020-06-01"];

export function metadataRoutes(account: Account): Hono {
  return new Hono().get("/endpoints", (context) => {
    const origin = originOf(context);
    const version = query(context, "api-version") ?? "2022-09-01";
    // ADFS style is the only one that asks no other host; see docs.
    const loginEndpoint = `${origin}/adfs`;
    const audiences = [`${origin}/`];
    const common = { graphEndpoint: `${origin}/`, portal: `${origin}/`, gallery: `${origin}/` };
    if (OLD_SHAPE.includes(version))
      return context.json({
        galleryEndpoint: `${origin}/`,
        graphEndpoint: `${origin}/`,
        portalEndpoint: `${origin}/`,
        authentication: { loginEndpoint, audiences },
      });
    const cloud = {
      name: "OpenASE",
      portal: common.portal,
      gallery: common.gallery,
      graph: common.graphEndpoint,
      resourceManager: `${origin}/`,
      authentication: {
        loginEndpoint,
        audiences,
        identityProvider: "ADFS",
        tenant: account.tenantId,
      },
      media: `${origin}/`,
      batch: `${origin}/`,
      microsoftGraphResourceId: `${origin}/`,
      suffixes: {
        storage: "core.windows.net",
        keyVaultDns: "vault.azure.net",
        sqlServerHostname: "database.windows.net",
        acrLoginServer: "azurecr.io",
        azureDataLakeStoreFileSystem: "azuredatalakestore.net",
        azureDataLakeAnalyticsCatalogAndJob: "azuredatalakeanalytics.net",
      },
    };
    return context.json(LIST_SHAPE.includes(version) ? [cloud] : cloud);
  });
}
