import { expect, test } from "vitest";

import { operationOf } from "./operation-name.ts";

const S = "/subscriptions/s";
const G = `${S}/resourceGroups/g`;
const WEB = `${G}/providers/Microsoft.Web`;

test.each([
  ["GET", "/subscriptions", "Microsoft.Resources/subscriptions/read", "/"],
  ["GET", S, "Microsoft.Resources/subscriptions/read", S],
  ["GET", `${S}/locations`, "Microsoft.Resources/subscriptions/locations/read", S],
  ["GET", `${S}/resourcegroups`, "Microsoft.Resources/subscriptions/resourceGroups/read", S],
  ["PUT", G, "Microsoft.Resources/subscriptions/resourceGroups/write", G],
  ["DELETE", G, "Microsoft.Resources/subscriptions/resourceGroups/delete", G],
  [
    "POST",
    `${G}/moveResources`,
    "Microsoft.Resources/subscriptions/resourceGroups/moveResources/action",
    G,
  ],
  ["GET", `${S}/providers/Microsoft.Web`, "Microsoft.Resources/subscriptions/providers/read", S],
  ["POST", `${S}/providers/Microsoft.Web/register`, "Microsoft.Web/register/action", S],
  ["GET", `${WEB}/sites`, "Microsoft.Web/sites/read", G],
  ["GET", `${WEB}/sites/a`, "Microsoft.Web/sites/read", `${WEB}/sites/a`],
  ["PATCH", `${WEB}/sites/a`, "Microsoft.Web/sites/write", `${WEB}/sites/a`],
  ["POST", `${WEB}/sites/a/restart`, "Microsoft.Web/sites/restart/action", `${WEB}/sites/a`],
  [
    "POST",
    `${WEB}/sites/a/config/appsettings/list`,
    "Microsoft.Web/sites/config/list/action",
    `${WEB}/sites/a/config/appsettings`,
  ],
  [
    "PUT",
    `${WEB}/sites/a/providers/Microsoft.Authorization/locks/l`,
    "Microsoft.Authorization/locks/write",
    `${WEB}/sites/a/providers/Microsoft.Authorization/locks/l`,
  ],
  ["GET", `${G}/providers/Microsoft.Authorization/locks`, "Microsoft.Authorization/locks/read", G],
])("%s %s is %s at %s", (method, path, action, scope) => {
  const asked = operationOf(method, path.split("/").filter(Boolean));
  expect(asked.action.toLowerCase()).toBe(action.toLowerCase());
  expect(asked.scope.toLowerCase()).toBe(scope.toLowerCase());
});
