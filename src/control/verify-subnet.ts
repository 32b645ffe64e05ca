/**
 * Whether an environment would live in a subnet: Azure's verifyHostingEnvironmentVnet, answered by
 * the proofs of check/ over the wanted resources as they are.
 *
 * Sends nothing; what really passes is the health's to say.
 */
import { keyOf } from "../arm/ids.ts";
import type { Resource } from "../arm/resources.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { check } from "../check/check.ts";
import { type Finding, isRemark } from "../check/finding.ts";
import type { ServiceTags } from "../network/service-tags.ts";

export type SubnetVerdict = {
  readonly failed: boolean;
  readonly failedTests: readonly SubnetTest[];
  readonly warnings: readonly SubnetTest[];
};

export type SubnetTest = { readonly testName: string; readonly details: string };

export function verifySubnet(
  subnetId: string,
  { resources, tags }: { readonly resources: readonly Resource[]; readonly tags: ServiceTags },
): Result<SubnetVerdict> {
  const key = keyOf(subnetId);
  const subnet = resources.find((one) => one.key === key);
  if (subnet?.type !== "Microsoft.Network/virtualNetworks/subnets")
    return declined({
      code: "SubnetNotFound",
      what: `there is no subnet ${subnetId}`,
      fix: "Name the subnet of a virtual network that exists.",
      where: subnetId,
    });
  const report = check({
    // One that stands there is judged as it is; without one, one is presumed there alone.
    resources: resources.filter((one) => !isElsewhere(one, key)),
    subnet: subnet.id,
    placeOf: () => undefined,
    tag: (name) => (tags.canonical(name) === undefined ? undefined : tags.prefixes(name)),
  });
  if (!report.ok) return report;
  const remarks = report.value.environments
    .flatMap(({ findings }) => findings)
    .filter((finding) => isRemark(finding));
  const fails = ({ grade, verdict }: Finding) => grade === "hard" && verdict === "violated";
  return found({
    failed: remarks.some(fails),
    failedTests: remarks.filter(fails).map(testOf),
    warnings: remarks.filter((finding) => !fails(finding)).map(testOf),
  });
}

function isElsewhere(resource: Resource, subnetKey: string): boolean {
  if (resource.type === "Microsoft.Web/hostingEnvironments")
    return resource.subnet.key !== subnetKey;
  // Plans and apps are not needed: their flows are those of their environment.
  return resource.type === "Microsoft.Web/serverfarms" || resource.type === "Microsoft.Web/sites";
}

function testOf({ consequence, culprit, fixes, id, what }: Finding): SubnetTest {
  const sentences = [what, culprit?.sentence, consequence, fixes[0]?.what]
    .filter((text) => text !== undefined)
    .map((text) => (/[.!?]$/.test(text) ? text : `${text}.`));
  return { testName: id, details: sentences.join(" ") };
}
