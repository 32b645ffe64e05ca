/**
 * Publishing credentials: those of each app, which Azure shows to whoever may list them, and the
 * one user that an installation may set.
 *
 * An app's password is derived from a key of this installation, never stored; a new one is the
 * next number. The user's own password is kept as a hash. What they open is not decided here.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

import { declined, found, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import { hashSecret, type SecretHash, secretMatches, spendComparison } from "./secrets.ts";

export type Publishing = {
  readonly of: (app: PublishedApp) => { readonly userName: string; readonly password: string };
  /** From now on another password; the old one is void. */
  readonly renew: (app: PublishedApp) => Result<"renewed">;
  /** Name of the user, where one was set. */
  readonly user: () => string | undefined;
  readonly setUser: (name: string, password: string) => Promise<Result<"set">>;
  /** @param userName `$app1`, `app1\$app1`, `app1\user` or `user` */
  readonly matches: (app: PublishedApp, userName: string, password: string) => Promise<boolean>;
};

/** An app made anew under its old name has another password. */
export type PublishedApp = {
  readonly key: string;
  readonly name: string;
  readonly createdAt: number;
};

const KEY = "publishing-key";
const NUMBER = "publishing-number";
const USER = "publishing-user";
const PASSWORD_LENGTH = 60;
const SHORTEST_PASSWORD = 8;

type User = { readonly name: string; readonly secret: SecretHash };

export function openPublishing(store: Store): Publishing {
  const key = (): string => {
    const known = store.get<string>(KEY, "")?.value;
    if (known !== undefined) return known;
    const made = randomBytes(32).toString("base64url");
    store.transaction((transaction) => found(transaction.put(KEY, "", made)));
    return made;
  };
  const numberOf = (app: PublishedApp) => store.get<number>(NUMBER, app.key)?.value ?? 0;
  const passwordOf = (app: PublishedApp) =>
    createHmac("sha512", key())
      .update(`${app.key} ${app.createdAt} ${numberOf(app)}`)
      .digest("base64")
      .replaceAll(/[^a-z\d]/gi, "x")
      .slice(0, PASSWORD_LENGTH);
  const user = () => store.get<User>(USER, "")?.value;
  return {
    of: (app) => ({ userName: `$${app.name}`, password: passwordOf(app) }),
    renew: (app) =>
      store.transaction((transaction) => {
        transaction.put(NUMBER, app.key, numberOf(app) + 1);
        return found("renewed" as const);
      }),
    user: () => user()?.name,
    setUser: async (name, password) => {
      if (!/^[a-z][\w-]{0,49}$/i.test(name) || password.length < SHORTEST_PASSWORD)
        return declined({
          code: "InvalidPublishingUser",
          what: "the name or the password of the publishing user is not acceptable",
          fix: `Choose a name of up to 50 letters, digits and dashes, and a password of at least ${SHORTEST_PASSWORD} letters.`,
        });
      const secret = await hashSecret(password);
      return store.transaction((transaction) => {
        transaction.put<User>(USER, "", { name, secret });
        return found("set" as const);
      });
    },
    matches: async (app, userName, password) => {
      const name = userName.toLowerCase().replace(`${app.name.toLowerCase()}\\`, "");
      if (name === `$${app.name.toLowerCase()}`) return isSame(password, passwordOf(app));
      const known = user();
      if (known?.name.toLowerCase() === name) return secretMatches(password, known.secret);
      await spendComparison(password);
      return false;
    },
  };
}

function isSame(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
