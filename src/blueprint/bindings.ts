/**
 * Which uploaded certificate is shown for which name: bindings of apps to certificates.
 *
 * Files are named, not read. Whether a binding may be is judged where it is written.
 *
 * @article App-assigned IP addresses
 */
import type { ResourceOf } from "../arm/resources.ts";
import type { AppAddress } from "./app-addresses.ts";
import type { BoundCertificate, CertificateFiles, FrontEnd } from "./blueprint.ts";
import type { Declared, Wanted } from "./wanted.ts";

type Certificate = ResourceOf<"Microsoft.Web/certificates">;
type Site = ResourceOf<"Microsoft.Web/sites">;

/** Name of an uploaded pair's files. */
export function uploadedStem({ about }: Certificate): string {
  return `${UPLOADED}${about.thumbprint.toLowerCase()}`;
}
export const UPLOADED = "uploaded-";

export class Bindings {
  readonly #certificates: readonly Certificate[];
  readonly #wanted: Wanted;
  readonly #sites: readonly Site[];

  constructor(declared: Declared, wanted: Wanted, sites: readonly Site[]) {
    this.#certificates = declared
      .all("Microsoft.Web/certificates")
      .filter(({ pair }) => pair !== undefined);
    this.#wanted = wanted;
    this.#sites = sites;
  }

  /** The customer's certificate for the domain of an ILB environment: known by its name. */
  defaultOf(environment: {
    readonly name: string;
    readonly kind: string;
  }): CertificateFiles | undefined {
    const ending = `_${environment.name}_internalloadbalancingase`.toLowerCase();
    const own = this.#certificates.find(({ name }) => name.toLowerCase().endsWith(ending));
    return environment.kind === "External" || own === undefined ? undefined : this.#files(own);
  }

  /** Of every app: chosen by the name a client asks for. */
  listed(): Pick<FrontEnd, "boundCertificates"> {
    const bound = this.#sites.flatMap((site) => this.#boundTo(site, () => true));
    return bound.length === 0 ? {} : { boundCertificates: bound };
  }

  appAddresses(
    own: readonly AppAddress[],
    stem: (key: string, name: string) => string,
  ): Pick<FrontEnd, "appAddresses"> {
    const addresses = own.flatMap(({ site: key, ports }) => {
      const site = this.#sites.find((one) => one.key === key);
      if (site === undefined) return [];
      const certificates = this.#boundTo(site, (state) => state === "IpBasedEnabled");
      return [{ site: stem(site.key, site.name), ports, certificates }];
    });
    return addresses.length === 0 ? {} : { appAddresses: addresses };
  }

  #boundTo(
    site: Site,
    counts: (state: Site["hostNameSslStates"][number]["sslState"]) => boolean,
  ): readonly BoundCertificate[] {
    return site.hostNameSslStates.flatMap(({ name, sslState, thumbprint }) => {
      const certificate = this.#certificates.find(
        ({ about }) => about.thumbprint === thumbprint?.toUpperCase(),
      );
      if (certificate === undefined || !counts(sslState)) return [];
      return [{ name, files: this.#files(certificate) }];
    });
  }

  #files(certificate: Certificate): CertificateFiles {
    return this.#wanted.certificate(uploadedStem(certificate));
  }
}
