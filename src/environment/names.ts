/**
 * Host names of an environment and its apps.
 *
 * @article Portal dependencies
 */
import type { EnvironmentKind } from "./kind.ts";

/** Domain of an environment: the customer's suffix where one is declared (ILB), else the usual. */
export function environmentDomain(environment: {
  readonly name: string;
  readonly kind: EnvironmentKind;
  readonly dnsSuffix?: string;
}): string {
  if (environment.dnsSuffix) return environment.dnsSuffix.toLowerCase();
  const name = environment.name.toLowerCase();
  return environment.kind === "External"
    ? `${name}.p.azurewebsites.net`
    : `${name}.appserviceenvironment.net`;
}

/** Where browsers on this machine reach an External environment: `*.localhost` is loopback. */
export function doorwayDomain(environmentName: string): string {
  return `${environmentName.toLowerCase()}.localhost`;
}

export function appHostName(app: string, domain: string): string {
  return `${app.toLowerCase()}.${domain}`;
}

export function scmHostName(app: string, domain: string): string {
  return `${app.toLowerCase()}.scm.${domain}`;
}

/** A name that users of an ILB environment look up, and the record its owner answers it with. */
export type NeededName = {
  /** As a record set of the zone is called: `*`, `@`, `*.scm`. */
  readonly record: "*" | "@" | "*.scm";
  /** One of the names that the record stands for. */
  readonly example: string;
  readonly without: string;
};

/**
 * Names of an environment with an internal load balancer are its owner's to give: all of them lead
 * to the balancer's address. Those of an External one are in public DNS by themselves.
 *
 * @article Portal dependencies
 */
export function neededNames(domain: string): readonly NeededName[] {
  return [
    { record: "*", example: appHostName("app", domain), without: "apps are not found" },
    { record: "@", example: domain, without: "signing in to SCM sites fails" },
    { record: "*.scm", example: scmHostName("app", domain), without: "SCM sites are not found" },
  ];
}
