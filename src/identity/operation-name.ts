/**
 * What a request does, in the words of roles: an action (`Microsoft.Web/sites/write`) at a scope.
 *
 * Read from method and path alone. Whether it may be done is role-assignments.ts and locks.ts.
 */
export type Asked = {
  readonly action: string;
  /** The id it is done at, as written. */
  readonly scope: string;
  readonly kind: "read" | "write" | "delete" | "action";
};

const KINDS: Readonly<Record<string, Asked["kind"]>> = {
  GET: "read",
  HEAD: "read",
  OPTIONS: "read",
  PUT: "write",
  PATCH: "write",
  DELETE: "delete",
  POST: "action",
};

/** POSTs that only answer a question. */
const QUESTIONS = [
  "checknameavailability",
  "verifyhostingenvironmentvnet",
  "listsitesassignedtohostname",
  "getbyids",
];

/** @param segments of the path, decoded */
export function operationOf(method: string, segments: readonly string[]): Asked {
  const asked = kindOf(method, segments);
  const mark = segments.findLastIndex((segment) => is(segment, "providers"));
  if (mark === -1 || mark === segments.length - 1) return withoutProvider(asked, segments);
  const namespace = segments[mark + 1] ?? "";
  const rest = segments.slice(mark + 2);
  const outer = segments.slice(0, mark);
  if (rest.length === 0)
    return {
      kind: "read",
      action: "Microsoft.Resources/subscriptions/providers/read",
      scope: idOf(outer),
    };
  // Types and names take turns; a word that is left over is a collection or an action.
  const isWhole = rest.length % 2 === 0;
  const types = rest.filter((_, index) => index % 2 === 0);
  const scope = idOf(
    isWhole || rest.length === 1
      ? segments.slice(0, isWhole ? undefined : mark)
      : segments.slice(0, -1),
  );
  return { kind: asked, action: `${[namespace, ...types].join("/")}/${asked}`, scope };
}

/** Questions ask to read; all else is as its method says. */
function kindOf(method: string, segments: readonly string[]): Asked["kind"] {
  const kind = KINDS[method.toUpperCase()] ?? "action";
  const isQuestion = QUESTIONS.includes(segments.at(-1)?.toLowerCase() ?? "");
  return kind === "action" && isQuestion ? "read" : kind;
}

function withoutProvider(kind: Asked["kind"], segments: readonly string[]): Asked {
  const base = "Microsoft.Resources/subscriptions";
  const at = (count: number) => idOf(segments.slice(0, count));
  const [first, , second, , third] = segments;
  if (is(first, "subscriptions") && segments.length === 1)
    return { kind, action: `${base}/${kind}`, scope: "/" };
  if (is(first, "openase"))
    return { kind, action: `OpenASE/${segments[1] ?? ""}/${kind}`, scope: "/" };
  if (!is(first, "subscriptions"))
    return { kind, action: `Microsoft.Resources/${first ?? "tenants"}/${kind}`, scope: "/" };
  if (second === undefined) return { kind, action: `${base}/${kind}`, scope: at(2) };
  if (!is(second, "resourceGroups"))
    return { kind, action: `${base}/${second}/${kind}`, scope: at(2) };
  const group = `${base}/resourceGroups`;
  if (segments.length === 3) return { kind, action: `${group}/${kind}`, scope: at(2) };
  if (third === undefined) return { kind, action: `${group}/${kind}`, scope: at(4) };
  // `az` leaves /providers/ out before the operations of a deployment.
  if (is(third, "deployments"))
    return { kind, action: "Microsoft.Resources/deployments/operations/read", scope: at(4) };
  if (kind === "read") return { kind, action: `${group}/${third}/read`, scope: at(4) };
  return { kind, action: `${group}/${third}/${kind}`, scope: at(4) };
}

function idOf(segments: readonly string[]): string {
  return `/${segments.join("/")}`;
}

function is(segment: string | undefined, word: string): boolean {
  return segment?.toLowerCase() === word.toLowerCase();
}
