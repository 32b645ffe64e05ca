import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { actionMatches, ROLE_DEFINITIONS, roleGrants } from "./role-definitions.ts";

const role = (name: string) => {
  const known = ROLE_DEFINITIONS.find(({ roleName }) => roleName === name);
  if (known === undefined) throw new Error(`no role ${name}`);
  return known;
};

describe("roles", () => {
  test.each([
    ["Owner", "Microsoft.Authorization/roleAssignments/write", true],
    ["Contributor", "Microsoft.Web/sites/write", true],
    ["Contributor", "Microsoft.Authorization/roleAssignments/write", false],
    ["Contributor", "Microsoft.Authorization/locks/delete", false],
    ["Contributor", "Microsoft.Authorization/roleAssignments/read", true],
    ["Reader", "Microsoft.Web/sites/read", true],
    ["Reader", "Microsoft.Web/sites/config/list/action", false],
    ["Reader", "Microsoft.Web/sites/write", false],
    ["User Access Administrator", "Microsoft.Authorization/roleAssignments/write", true],
    ["User Access Administrator", "Microsoft.Web/sites/write", false],
    ["Website Contributor", "Microsoft.Web/sites/restart/action", true],
    ["Website Contributor", "Microsoft.Web/serverfarms/read", true],
    ["Website Contributor", "Microsoft.Web/serverfarms/write", false],
    ["Website Contributor", "Microsoft.Network/virtualNetworks/read", false],
    ["Network Contributor", "microsoft.network/virtualnetworks/subnets/write", true],
    ["Network Contributor", "Microsoft.Web/sites/read", false],
  ])("%s and %s: %s", (name, action, may) => {
    expect(roleGrants(role(name), action)).toBe(may);
  });

  test("patterns match as the same pattern does in a regular expression", () => {
    const word = fc.array(fc.constantFrom("a", "b", "/", "*"), { maxLength: 6 });
    const plain = fc.array(fc.constantFrom("a", "b", "/"), { maxLength: 8 });
    fc.assert(
      fc.property(word, plain, (letters, text) => {
        const pattern = letters.join("");
        const expected = new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(text.join(""));
        expect(actionMatches(pattern, text.join(""))).toBe(expected);
      }),
    );
  });
});
