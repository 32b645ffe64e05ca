/**
 * The built-in roles, with the ids and the actions they have in Azure, and how an action is
 * matched against them. Data and matching only; who has which role is role-assignments.ts.
 */
export type RoleDefinition = {
  /** Its name, a GUID. */
  readonly id: string;
  readonly roleName: string;
  readonly description: string;
  readonly actions: readonly string[];
  readonly notActions: readonly string[];
};

/** What the narrower roles of Azure may do besides their own provider. */
const COMMON = [
  "Microsoft.Authorization/*/read",
  "Microsoft.Insights/alertRules/*",
  "Microsoft.ResourceHealth/availabilityStatuses/read",
  "Microsoft.Resources/deployments/*",
  "Microsoft.Resources/subscriptions/resourceGroups/read",
  "Microsoft.Support/*",
];

export const OWNER: RoleDefinition = {
  id: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
  roleName: "Owner",
  description:
    "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
  actions: ["*"],
  notActions: [],
};

export const ROLE_DEFINITIONS: readonly RoleDefinition[] = [
  OWNER,
  {
    id: "b24988ac-6180-42a0-ab88-20f7382dd24c",
    roleName: "Contributor",
    description:
      "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC.",
    actions: ["*"],
    notActions: [
      "Microsoft.Authorization/*/Delete",
      "Microsoft.Authorization/*/Write",
      "Microsoft.Authorization/elevateAccess/Action",
    ],
  },
  {
    id: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    roleName: "Reader",
    description: "View all resources, but does not allow you to make any changes.",
    actions: ["*/read"],
    notActions: [],
  },
  {
    id: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    roleName: "User Access Administrator",
    description: "Lets you manage user access to Azure resources.",
    actions: ["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
    notActions: [],
  },
  {
    id: "de139f84-1756-47ae-9be6-808fbbe84772",
    roleName: "Website Contributor",
    description: "Lets you manage websites (not web plans), but not access to them.",
    actions: [
      ...COMMON,
      "Microsoft.Insights/components/*",
      "Microsoft.Web/certificates/*",
      "Microsoft.Web/listSitesAssignedToHostName/read",
      "Microsoft.Web/serverFarms/join/action",
      "Microsoft.Web/serverFarms/read",
      "Microsoft.Web/sites/*",
    ],
    notActions: [],
  },
  {
    id: "4d97b98b-1d4f-4787-a291-c67834d212e7",
    roleName: "Network Contributor",
    description: "Lets you manage networks, but not access to them.",
    actions: [...COMMON, "Microsoft.Network/*"],
    notActions: [],
  },
];

/** By its GUID, or by an id that ends in it, in any casing. */
export function roleDefinitionOf(id: string): RoleDefinition | undefined {
  const guid = id.split("/").at(-1)?.toLowerCase();
  return ROLE_DEFINITIONS.find((role) => role.id === guid);
}

export function roleGrants(
  { actions, notActions }: Pick<RoleDefinition, "actions" | "notActions">,
  action: string,
): boolean {
  const matches = (pattern: string) => actionMatches(pattern, action);
  return actions.some(matches) && !notActions.some(matches);
}

/** `*` stands for any letters, slashes too; casing does not matter. */
export function actionMatches(pattern: string, action: string): boolean {
  const [first = "", ...rest] = pattern.toLowerCase().split("*");
  const text = action.toLowerCase();
  if (rest.length === 0) return text === first;
  if (!text.startsWith(first)) return false;
  const last = rest.at(-1) ?? "";
  let at = first.length;
  for (const part of rest.slice(0, -1)) {
    const next = text.indexOf(part, at);
    if (next === -1) return false;
    at = next + part.length;
  }
  return at + last.length <= text.length && text.endsWith(last);
}
