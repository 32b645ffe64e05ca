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
