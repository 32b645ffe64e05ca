/**
 * Uploaded certificates: bodies to resources and back. The key is kept and never shown.
 *
 * A PFX is read by whoever has a reader for it (ParseContext); without one, only what the body
 * says of the certificate is known.
 */
import type { JsonObject } from "../json.ts";
import type { Certificate } from "../resources.ts";
import { bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

const CERTIFICATE = "Microsoft.Web/certificates";

export function parseCertificate(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const before = request.before?.type === CERTIFICATE ? request.before : undefined;
  const { readPfx } = request.context;
  const blob = body.text("properties.pfxBlob");
  const planId = body.text("properties.serverFarmId");
  const plan =
    planId === undefined ? before?.plan : body.referenceTo("properties.serverFarmId", planId);
  if (blob === undefined && before === undefined && readPfx !== undefined)
    body.fail(
      "BadRequest",
      "properties.pfxBlob is missing; certificates of a key vault and managed ones are not offered",
      "Upload a PFX: az webapp config ssl upload, or pfxBlob in base64 with its password.",
    );
  const read =
    blob === undefined || readPfx === undefined
      ? undefined
      : body.accept("properties.pfxBlob", readPfx({ base64: blob, password: passwordOf(request) }));
  const resource: Certificate = {
    type: CERTIFICATE,
    ...identity(request.id, before),
    ...located(request, body),
    ...(plan === undefined ? {} : { plan }),
    about: read?.about ??
      before?.about ?? {
        hostNames: body.texts("properties.hostNames") ?? [],
        subjectName: "",
        issuer: "",
        thumbprint: body.text("properties.thumbprint")?.toUpperCase() ?? "",
        issueDate: "",
        expirationDate: "",
      },
    ...(read === undefined
      ? before?.pair === undefined
        ? {}
        : { pair: before.pair }
      : { pair: read.pair }),
    extra: body.extra(READ),
  };
  return { resources: [resource], replacedParts: [] };
}

/** An empty password is one. */
function passwordOf({ body }: ParseRequest): string {
  const properties = Object.entries(body).find(
    ([name]) => name.toLowerCase() === "properties",
  )?.[1];
  const written = Object.entries(
    typeof properties === "object" && properties !== null ? properties : {},
  ).find(([name]) => name.toLowerCase() === "password")?.[1];
  return typeof written === "string" ? written : "";
}

const READ = [
  "pfxBlob",
  "password",
  "cerBlob",
  "publicKeyHash",
  "serverFarmId",
  "hostNames",
  "subjectName",
  "friendlyName",
  "issuer",
  "issueDate",
  "expirationDate",
  "thumbprint",
  "valid",
  "hostingEnvironmentProfile",
  "siteName",
  "selfLink",
];

export function renderCertificate(certificate: Certificate, context: RenderContext): JsonObject {
  const plan = certificate.plan === undefined ? undefined : context.get(certificate.plan.key);
  const environment = plan?.type === "Microsoft.Web/serverfarms" ? plan.environment : undefined;
  return envelope(certificate, context, {
    ...certificate.extra,
    friendlyName: "",
    ...certificate.about,
    ...(certificate.plan === undefined ? {} : { serverFarmId: certificate.plan.id }),
    ...(environment === undefined ? {} : { hostingEnvironmentProfile: { id: environment.id } }),
  });
}
