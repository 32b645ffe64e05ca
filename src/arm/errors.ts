/**
 * Problems in the words of ARM: the error body and the HTTP status of each code.
 */
import type { Problem } from "../base/problem.ts";
import type { JsonObject } from "./json.ts";

/** The inside of `{ "error": ... }`, and of a failed operation's `error`. */
export function armError(problem: Problem): JsonObject {
  const inner = [
    ...(problem.details ?? []),
    ...(problem.cause === undefined ? [] : [problem.cause]),
  ];
  return {
    code: problem.code,
    // Clients show the message and nothing else: the fix belongs to it.
    message: `${sentence(problem.what)} ${sentence(problem.fix)}`,
    ...(problem.where === undefined ? {} : { target: problem.where }),
    ...(inner.length === 0 ? {} : { details: inner.map(armError) }),
  };
}

export function armErrorBody(problem: Problem): JsonObject {
  return { error: armError(problem) };
}

const STATUS: Readonly<Record<string, number>> = {
  AuthenticationFailed: 401,
  ExpiredAuthenticationToken: 401,
  InvalidAuthenticationToken: 401,
  InvalidAuthenticationTokenAudience: 401,
  AuthorizationFailed: 403,
  LinkedAuthorizationFailed: 403,
  DeploymentNotFound: 404,
  InvalidResourceType: 404,
  NotFound: 404,
  ParentResourceNotFound: 404,
  ResourceGroupNotFound: 404,
  ResourceNotFound: 404,
  RoleDefinitionDoesNotExist: 404,
  SubscriptionNotFound: 404,
  MethodNotAllowed: 405,
  AnotherOperationInProgress: 409,
  Conflict: 409,
  DeploymentActive: 409,
  InvalidResourceLocation: 409,
  RoleAssignmentExists: 409,
  ScopeLocked: 409,
  OperationNotCancelable: 409,
  PreconditionFailed: 412,
  RequestEntityTooLarge: 413,
  TooManyRequests: 429,
  Unexpected: 500,
};

/** Refusals because of what others need or hold. */
const CONFLICTS = /InUse|CannotBeDeleted|Immutable|NotAvailable|IsFull|IsAllocated|LimitReached/;

/** A permanent refusal is never 5xx: clients would repeat the request. */
export function statusOfCode(code: string): number {
  if (Object.hasOwn(STATUS, code)) return STATUS[code] ?? 400;
  return CONFLICTS.test(code) ? 409 : 400;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
