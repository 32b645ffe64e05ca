/**
 * Joins the parts that the API speaks to. The loop's side is given; starting it is main's.
 */
import type { JsonObject } from "../arm/json.ts";
import type { ParseContext, ServiceTagAnswer } from "../arm/types/body.ts";
import type { Store } from "../store/store.ts";
import { openArmWrites } from "./arm-writes.ts";
import type { Account, ControlPlane, World } from "./control-plane.ts";
import { type DeploymentAccess, openDeployments } from "./deployments.ts";
import { openOperations, tidyOperations } from "./operations.ts";
import { openMoves } from "./moves.ts";
import { openTags } from "./tags.ts";
import { openViews } from "./view.ts";

export type ControlPlaneOptions = {
  readonly store: Store;
  readonly account: Account;
  readonly world: World;
  readonly now: () => number;
  /** Called after each change of what is wanted. */
  readonly wake: () => void;
  readonly isServiceTag: (name: string) => ServiceTagAnswer;
  readonly readPfx: NonNullable<ParseContext["readPfx"]>;
  /** What the template function environment() answers. */
  readonly environment: JsonObject;
  /** Told of defects of work that nobody waits for. */
  readonly onDefect: (thrown: unknown) => void;
  readonly access: DeploymentAccess;
};

export type OpenedControlPlane = ControlPlane & {
  /** Goes on with the deployments of an earlier run. */
  readonly resume: () => void;
  /** Waits for work that was begun; deployments go on with the next start. */
  readonly stop: () => Promise<void>;
};

export function openControlPlane(options: ControlPlaneOptions): OpenedControlPlane {
  const { account, environment, isServiceTag, readPfx, now, store, wake, world } = options;
  tidyOperations(store, now());
  const views = openViews(world.statusOf);
  const operations = openOperations({ store, now });
  const writes = openArmWrites({ store, account, now, wake, isServiceTag, readPfx });
  const deployments = openDeployments({
    store,
    account,
    writes,
    operations,
    views,
    now,
    environment,
    isServiceTag,
    tag: (name) => ("known" in isServiceTag(name) ? world.tags.prefixes(name) : undefined),
    readPfx,
    onDefect: options.onDefect,
    access: options.access,
  });
  const atWork = new Set<Promise<void>>();
  return {
    account,
    resources: writes,
    operations,
    deployments,
    tags: openTags(store, writes),
    moves: openMoves({ store, now, wake }),
    events: store.events,
    world,
    view: (key) => views.of(store, key),
    background: (work) => {
      const ended = work()
        .catch(options.onDefect)
        .finally(() => atWork.delete(ended));
      atWork.add(ended);
    },
    resume: deployments.resume,
    stop: async () => {
      await deployments.stop();
      await Promise.all(atWork);
    },
  };
}
